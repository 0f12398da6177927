package blob

import (
	"encoding/base64"
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxResults is the service's page.
const maxResults = 5000

// listing is the XML of List Blobs.
type listing struct {
	XMLName       xml.Name    `xml:"EnumerationResults"`
	Endpoint      string      `xml:"ServiceEndpoint,attr"`
	ContainerName string      `xml:"ContainerName,attr"`
	Prefix        string      `xml:",omitempty"`
	Marker        string      `xml:",omitempty"`
	MaxResults    int         `xml:",omitempty"`
	Delimiter     string      `xml:",omitempty"`
	Blobs         listedBlobs `xml:"Blobs"`
	NextMarker    string
}

type listedBlobs struct {
	Blob       []listedBlob   `xml:"Blob"`
	BlobPrefix []listedPrefix `xml:"BlobPrefix"`
}

type listedPrefix struct{ Name listedName }

type listedBlob struct {
	Name       listedName
	Properties listedProperties
	Metadata   *listedMetadata `xml:",omitempty"`
}

// listedName is percent-encoded where XML has no way to write the name.
type listedName struct {
	Encoded bool   `xml:",attr,omitempty"`
	Text    string `xml:",chardata"`
}

type listedProperties struct {
	CreationTime              string `xml:"Creation-Time"`
	LastModified              string `xml:"Last-Modified"`
	Etag                      string
	ContentLength             int64  `xml:"Content-Length"`
	ContentType               string `xml:"Content-Type"`
	ContentEncoding           string `xml:"Content-Encoding"`
	ContentLanguage           string `xml:"Content-Language"`
	ContentMD5                string `xml:"Content-MD5"`
	CacheControl              string `xml:"Cache-Control"`
	ContentDisposition        string `xml:"Content-Disposition"`
	BlobType                  string
	LeaseStatus               string
	LeaseState                string
	ServerEncrypted           bool
	CustomerProvidedKeySha256 string `xml:",omitempty"`
}

type listedMetadata struct{ values map[string]string }

// MarshalXML writes one element per name.
func (m *listedMetadata) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(m.values)) {
		if err := e.EncodeElement(m.values[name], xml.StartElement{Name: xml.Name{Local: name}}); err != nil {
			return err
		}
	}
	return e.EncodeToken(start.End())
}

// listBlobs is List Blobs. Names come in the order of their bytes; the marker
// is the name at which the next page starts, in a form that nobody reads.
func (s *Server) listBlobs(c *call) error {
	answer := listing{
		Endpoint: "https://" + c.r.Host + "/", ContainerName: c.container,
		Prefix: c.query.Get("prefix"), Marker: c.query.Get("marker"), Delimiter: c.query.Get("delimiter"),
	}
	limit := maxResults
	if v := c.query.Get("maxresults"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return failure(http.StatusBadRequest, "OutOfRangeQueryParameterValue", "maxresults is not a positive number")
		}
		answer.MaxResults = n
		limit = min(n, maxResults)
	}
	from, err := base64.RawURLEncoding.DecodeString(answer.Marker)
	if err != nil {
		return failure(http.StatusBadRequest, "InvalidQueryParameterValue", "marker is not one of an answer")
	}
	withMetadata := slices.Contains(strings.Split(c.query.Get("include"), ","), "metadata")

	s.mu.RLock()
	box, err := s.find(c.account, c.container)
	if err != nil {
		s.mu.RUnlock()
		return err
	}
	blobs := maps.Clone(box.blobs)
	s.mu.RUnlock()

	answer.fill(blobs, string(from), limit, withMetadata)
	c.xml(http.StatusOK, answer)
	return nil
}

// fill adds a page of blobs and common prefixes.
func (l *listing) fill(blobs map[string]*stored, from string, limit int, withMetadata bool) {
	lastPrefix := ""
	for _, name := range slices.Sorted(maps.Keys(blobs)) {
		if !strings.HasPrefix(name, l.Prefix) || name < from {
			continue
		}
		if lastPrefix != "" && strings.HasPrefix(name, lastPrefix) {
			continue
		}
		if len(l.Blobs.Blob)+len(l.Blobs.BlobPrefix) == limit {
			l.NextMarker = base64.RawURLEncoding.EncodeToString([]byte(name))
			return
		}
		if common, ok := l.commonPrefix(name); ok {
			lastPrefix = common
			l.Blobs.BlobPrefix = append(l.Blobs.BlobPrefix, listedPrefix{xmlName(common)})
			continue
		}
		l.Blobs.Blob = append(l.Blobs.Blob, blobs[name].listed(name, withMetadata))
	}
}

func (l *listing) commonPrefix(name string) (string, bool) {
	if l.Delimiter == "" {
		return "", false
	}
	head, _, found := strings.Cut(name[len(l.Prefix):], l.Delimiter)
	return l.Prefix + head + l.Delimiter, found
}

// listed leaves the metadata of a blob under a customer's key out, since the
// service cannot read it, and writes the ETag without quotes, as it does.
func (b *stored) listed(name string, withMetadata bool) listedBlob {
	item := listedBlob{Name: xmlName(name), Properties: listedProperties{
		CreationTime: b.created.Format(http.TimeFormat), LastModified: b.modified.Format(http.TimeFormat),
		Etag: strings.Trim(b.etag, `"`), ContentLength: b.contentSize,
		ContentType: b.properties["Content-Type"], ContentEncoding: b.properties["Content-Encoding"],
		ContentLanguage: b.properties["Content-Language"], ContentMD5: b.properties["Content-MD5"],
		CacheControl: b.properties["Cache-Control"], ContentDisposition: b.properties["Content-Disposition"],
		BlobType: "BlockBlob", LeaseStatus: "unlocked", LeaseState: "available",
		ServerEncrypted: true, CustomerProvidedKeySha256: b.keyDigest,
	}}
	if withMetadata && b.keyDigest == "" && len(b.metadata) > 0 {
		item.Metadata = &listedMetadata{b.metadata}
	}
	return item
}

func xmlName(name string) listedName {
	for _, r := range name {
		if r == utf8.RuneError || r < ' ' || r == 0xFFFE || r == 0xFFFF {
			return listedName{Encoded: true, Text: url.PathEscape(name)}
		}
	}
	return listedName{Text: name}
}
