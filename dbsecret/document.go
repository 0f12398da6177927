package dbsecret

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/cleanroom-go/sdk/skr"
)

// MaxValue is the longest value the governance service (CGS) accepts for a
// secret, in UTF-16 code units. The encoded form is ASCII, so there these are
// bytes.
const MaxValue = 25600

// DefaultPort is the port of a document that names none.
const DefaultPort = 5432

// Document describes a database and says where its password is wrapped. It
// holds no secret itself.
//
// Its JSON has the names in the tags. dbPort, dbIP, sslMode and sslRootCert are
// additions to the names that other implementations of the scenario write and
// read; those ignore them.
type Document struct {
	// Endpoint is the server's DNS name or IP address, which its certificate
	// must carry. "postgres://HOST:PORT/" is read as well.
	Endpoint string `json:"dbEndpoint"`
	// Port is 1 to 65535; zero means DefaultPort.
	Port int `json:"dbPort,omitempty"`
	// IP is the address to connect to instead of looking up Endpoint, for rooms
	// that have no name resolution. The certificate must still name Endpoint.
	IP string `json:"dbIP,omitempty"`
	// Name is the database, User the role; each up to 63 bytes.
	Name string `json:"dbName"`
	User string `json:"dbUser"`
	// SSLMode is "verify-full", "verify-ca", "require" or "disable"; empty means
	// "verify-full". Whoever connects must permit a weaker one besides: see
	// Options.
	SSLMode string `json:"sslMode,omitempty"`
	// SSLRootCert is PEM text: the certificates, one or more, that the server's
	// must chain to. Empty means the system's roots, which the environment of the
	// room can change (SSL_CERT_FILE).
	SSLRootCert string `json:"sslRootCert,omitempty"`
	// Password names the wrapped password.
	Password skr.SecretRef `json:"dbPassword"`

	// Unknown holds the members that Parse did not know; Encode writes them
	// back. Nil is fine.
	Unknown map[string]json.RawMessage `json:"-"`
}

// Parse reads a document as CGS returns it: base64 of its JSON, or the JSON
// itself. The names are case-sensitive and none may occur twice; unknown
// members are kept in Unknown; null counts as absent. The result is validated
// and its endpoints are normalised.
func Parse(value []byte) (*Document, error) {
	text, err := decodeValue(value)
	if err != nil {
		return nil, fmt.Errorf("dbsecret: document: %w", err)
	}
	members, err := readObject(text)
	if err != nil {
		return nil, fmt.Errorf("dbsecret: document: %w", err)
	}
	var raw Document
	for _, f := range raw.fields() {
		m, present := members[f.name]
		delete(members, f.name)
		if !present || string(m) == "null" {
			continue
		}
		if err := f.read(m); err != nil {
			return nil, fmt.Errorf("dbsecret: document: %s %w", f.name, err)
		}
	}
	if len(members) > 0 {
		raw.Unknown = members
	}
	d, err := raw.normalized()
	if err != nil {
		return nil, err
	}
	return &d, nil
}

// Encode validates the document and returns the value to store in CGS: base64
// of its JSON on one line. The same document gives the same text. A value over
// MaxValue is an error, not something for the service to find.
func (d *Document) Encode() (string, error) {
	n, err := d.normalized()
	if err != nil {
		return "", err
	}
	text, err := n.marshal()
	if err != nil {
		return "", fmt.Errorf("dbsecret: document: %w", err)
	}
	value := base64.StdEncoding.EncodeToString(text)
	if len(value) > MaxValue {
		return "", fmt.Errorf("dbsecret: document: encoded it has %d characters, and a secret may have %d; shorten sslRootCert to the one root that signs the server", len(value), MaxValue)
	}
	return value, nil
}

func (d *Document) marshal() ([]byte, error) {
	text, err := json.Marshal(d)
	if err != nil || len(d.Unknown) == 0 {
		return text, err
	}
	names := make([]string, 0, len(d.Unknown))
	for name := range d.Unknown {
		names = append(names, name)
	}
	slices.Sort(names)
	text = text[:len(text)-1]
	for _, name := range names {
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		member, err := json.Marshal(d.Unknown[name])
		if err != nil {
			return nil, fmt.Errorf("member %q: %w", name, err)
		}
		text = append(append(append(append(text, ','), key...), ':'), member...)
	}
	return append(text, '}'), nil
}

// decodeValue returns the JSON text of either form.
func decodeValue(value []byte) ([]byte, error) {
	if !utf8.Valid(value) {
		return nil, fmt.Errorf("the value is no UTF-8 text")
	}
	if n := utf16Len(value); n > MaxValue {
		return nil, fmt.Errorf("the value has %d characters, and a secret may have %d", n, MaxValue)
	}
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return nil, fmt.Errorf("the value is empty")
	}
	if value[0] == '{' {
		return value, nil
	}
	text, err := base64.StdEncoding.DecodeString(string(value))
	if err != nil {
		return nil, fmt.Errorf("the value is neither a JSON object nor base64 of one; check that the secret's name is the document's")
	}
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("the decoded value is no UTF-8 text")
	}
	return bytes.TrimSpace(text), nil
}

func utf16Len(text []byte) int {
	n := 0
	for _, r := range string(text) {
		n += utf16.RuneLen(r)
	}
	return n
}

// field is a known member of the JSON and where it goes.
type field struct {
	name string
	to   any
}

func (d *Document) fields() []field {
	return []field{
		{"dbEndpoint", &d.Endpoint}, {"dbPort", &d.Port}, {"dbIP", &d.IP}, {"dbName", &d.Name}, {"dbUser", &d.User},
		{"sslMode", &d.SSLMode}, {"sslRootCert", &d.SSLRootCert}, {"dbPassword", &d.Password},
	}
}

// read decodes the member. Its errors quote no value: somebody may have put the
// password where the reference belongs.
func (f field) read(m json.RawMessage) error {
	kind := jsonKind(m)
	want := "string"
	switch f.to.(type) {
	case *int:
		want = "number"
	case *skr.SecretRef:
		want = "object"
		if kind == "string" {
			return fmt.Errorf("is a string; it must be the reference to the wrapped password, never the password itself")
		}
	}
	if kind != want {
		return fmt.Errorf("is of type %s; it must be of type %s", kind, want)
	}
	if err := json.Unmarshal(m, f.to); err != nil {
		if want == "number" {
			return fmt.Errorf("is no whole number")
		}
		return fmt.Errorf("cannot be read: %w", err)
	}
	if p, ok := f.to.(*int); ok && *p == 0 {
		return fmt.Errorf("is 0; it must be 1 to 65535, or left out for %d", DefaultPort)
	}
	return nil
}

func jsonKind(m json.RawMessage) string {
	switch m[0] {
	case '"':
		return "string"
	case '{':
		return "object"
	case '[':
		return "array"
	case 't', 'f':
		return "boolean"
	}
	return "number"
}

// readObject splits a JSON object into its members and refuses a name that
// occurs twice in any object: readers disagree about which of the two counts,
// and so would the parties.
func readObject(text []byte) (map[string]json.RawMessage, error) {
	if len(text) == 0 || text[0] != '{' {
		return nil, fmt.Errorf("the value is no JSON object")
	}
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, fmt.Errorf("the value is no JSON object: %w", err)
	}
	if err := uniqueNames(json.NewDecoder(bytes.NewReader(text)), "", 0); err != nil {
		return nil, err
	}
	return members, nil
}

// maxNesting is far above what the document needs (three objects).
const maxNesting = 32

func uniqueNames(dec *json.Decoder, path string, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("%q is nested deeper than %d", path, maxNesting)
	}
	token, err := dec.Token()
	if err != nil {
		return err
	}
	delim, _ := token.(json.Delim)
	if delim != '{' && delim != '[' {
		return nil
	}
	seen := map[string]bool{}
	for dec.More() {
		child := path
		if delim == '{' {
			key, err := dec.Token()
			if err != nil {
				return err
			}
			name := key.(string)
			if child = strings.TrimPrefix(path+"."+name, "."); seen[name] {
				return fmt.Errorf("%q occurs twice", child)
			}
			seen[name] = true
		}
		if err := uniqueNames(dec, child, depth+1); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}
