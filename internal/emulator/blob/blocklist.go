package blob

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
)

// maxBlocks is how many blocks a blob may have.
const maxBlocks = 50_000

// listEntry is one element of a Put Block List body: where to look, and an id.
type listEntry struct{ where, id string }

// parseBlockList reads <BlockList> with its Latest, Uncommitted and Committed
// elements in document order.
func parseBlockList(body []byte) ([]listEntry, error) {
	invalid := func(why string) error {
		return failure(http.StatusBadRequest, "InvalidXmlDocument", "The specified XML is not syntactically valid: "+why)
	}
	var list struct {
		XMLName xml.Name `xml:"BlockList"`
		Entries []struct {
			XMLName xml.Name
			ID      string `xml:",chardata"`
		} `xml:",any"`
	}
	d := xml.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(&list); err != nil {
		return nil, invalid(err.Error())
	}
	for {
		t, err := d.Token()
		if err == io.EOF {
			break
		}
		if text, ok := t.(xml.CharData); err != nil || !ok || len(bytes.TrimSpace(text)) != 0 {
			return nil, invalid("something follows the block list")
		}
	}
	if len(list.Entries) > maxBlocks {
		return nil, failure(http.StatusBadRequest, "BlockListTooLong", "The block list may not contain more than 50,000 blocks.")
	}
	entries := make([]listEntry, len(list.Entries))
	for i, e := range list.Entries {
		switch e.XMLName.Local {
		case "Latest", "Uncommitted", "Committed":
			entries[i] = listEntry{e.XMLName.Local, e.ID}
		default:
			return nil, failure(http.StatusBadRequest, "InvalidXmlNodeValue", "The element "+e.XMLName.Local+" has no place in a block list.")
		}
	}
	return entries, nil
}

// putBlockList is Put Block List: the commit.
func (s *Server) putBlockList(c *call) error {
	b, err := newStored(c.r)
	if err != nil {
		return err
	}
	body, err := c.body(maxListBytes)
	if err != nil {
		return err
	}
	entries, err := parseBlockList(body)
	if err != nil {
		return err
	}
	return s.commit(c, func(box *container) (*stored, error) {
		var committed []*block
		if old := box.blobs[c.blob]; old != nil {
			committed = old.blocks
		}
		b.blocks, err = resolve(entries, box.staged[c.blob], committed)
		if err != nil {
			return nil, err
		}
		for _, part := range b.blocks {
			if err := checkKey(part.keyDigest, b.keyDigest); err != nil {
				return nil, err
			}
			b.content = append(b.content, part.data)
			b.contentSize += int64(len(part.data))
		}
		return b, nil
	})
}

func resolve(entries []listEntry, staged map[string]*block, committed []*block) ([]*block, error) {
	known := make(map[string]*block, len(committed))
	for _, b := range committed {
		known[b.id] = b
	}
	blocks := make([]*block, 0, len(entries))
	for _, e := range entries {
		var b *block
		if e.where != "Committed" {
			b = staged[e.id]
		}
		if b == nil && e.where != "Uncommitted" {
			b = known[e.id]
		}
		if b == nil {
			return nil, failure(http.StatusBadRequest, "InvalidBlockList", "The specified block list is invalid.")
		}
		blocks = append(blocks, b)
	}
	return blocks, nil
}

// getBlockList is Get Block List.
func (s *Server) getBlockList(c *call) error {
	type entry struct {
		Name string
		Size int
	}
	var answer struct {
		XMLName     xml.Name `xml:"BlockList"`
		Committed   []entry  `xml:"CommittedBlocks>Block"`
		Uncommitted []entry  `xml:"UncommittedBlocks>Block"`
	}
	kind := c.query.Get("blocklisttype")
	s.mu.RLock()
	box, err := s.find(c.account, c.container)
	if err != nil {
		s.mu.RUnlock()
		return err
	}
	b, staged := box.blobs[c.blob], box.staged[c.blob]
	if b != nil && kind != "uncommitted" {
		for _, part := range b.blocks {
			answer.Committed = append(answer.Committed, entry{part.id, len(part.data)})
		}
	}
	if kind == "uncommitted" || kind == "all" {
		for _, part := range staged {
			answer.Uncommitted = append(answer.Uncommitted, entry{part.id, len(part.data)})
		}
	}
	s.mu.RUnlock()
	if b == nil && staged == nil {
		return errNoBlob
	}
	if b != nil {
		setVersion(c.w.Header(), b.etag, b.modified)
	}
	c.xml(http.StatusOK, answer)
	return nil
}
