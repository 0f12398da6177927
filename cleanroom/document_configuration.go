package cleanroom

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxConfiguration bounds a configuration text; real ones have under 200
// bytes.
const maxConfiguration = 16 << 10

// DecodeConfiguration reads the configuration text of an access point or a
// KEK in any of the three encodings that the reference tools have used:
// standard base64 of JSON, plain JSON, or a Python dictionary of quoted texts.
// Nothing is ever evaluated. The empty text is an empty map.
func DecodeConfiguration(s string) (map[string]string, error) {
	if len(s) > maxConfiguration {
		return nil, fmt.Errorf("the configuration has %d bytes, more than %d", len(s), maxConfiguration)
	}
	s = strings.TrimSpace(s)
	if s == "" {
		return map[string]string{}, nil
	}
	if !strings.HasPrefix(s, "{") {
		raw, err := base64.StdEncoding.Strict().DecodeString(s)
		if err != nil {
			return nil, errors.New("the configuration is neither an object nor padded standard base64 of one")
		}
		return jsonTexts(raw)
	}
	// What is JSON is read as JSON or refused: the other reader must not
	// accept what this one has a reason against.
	if json.Valid([]byte(s)) {
		return jsonTexts([]byte(s))
	}
	return pythonTexts(s)
}

// EncodeConfiguration writes a configuration as the current tools do: base64
// of JSON with sorted keys and a blank after each colon and comma.
func EncodeConfiguration(m map[string]string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b.WriteString(", ")
		}
		b.Write(jsonText(k))
		b.WriteString(": ")
		b.Write(jsonText(m[k]))
	}
	b.WriteByte('}')
	return base64.StdEncoding.EncodeToString([]byte(b.String()))
}

// jsonText is a JSON string whose only escapes are the necessary ones.
func jsonText(s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic("cleanroom: internal error: " + err.Error()) // a string always encodes
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func jsonTexts(raw []byte) (map[string]string, error) {
	tree, err := parseJSONTree(raw)
	if err != nil {
		return nil, fmt.Errorf("the configuration is not JSON: %w", err)
	}
	object, ok := tree.(map[string]any)
	if !ok {
		return nil, errors.New("the configuration is not a JSON object")
	}
	m := make(map[string]string, len(object))
	for k, v := range object {
		text, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("the configuration's %q is not text", k)
		}
		m[k] = text
	}
	return m, nil
}

// pythonTexts reads {'k': 'v', ...}. Of Python's escapes only those of quotes
// and the backslash are read: nothing that writes these texts needs others.
func pythonTexts(s string) (map[string]string, error) {
	p := pythonReader{rest: s}
	m := make(map[string]string)
	p.expect('{')
	for first := true; p.err == nil && !p.accept('}'); first = false {
		if !first {
			p.expect(',')
			if p.accept('}') {
				break
			}
		}
		k := p.text()
		p.expect(':')
		v := p.text()
		if _, ok := m[k]; ok && p.err == nil {
			p.err = fmt.Errorf("the configuration has %q twice", k)
		}
		m[k] = v
	}
	if p.blank(); p.err == nil && p.rest != "" {
		p.err = errors.New("the configuration goes on after its end")
	}
	if p.err != nil {
		return nil, p.err
	}
	return m, nil
}

type pythonReader struct {
	rest string
	err  error
}

func (p *pythonReader) blank() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

func (p *pythonReader) accept(c byte) bool {
	p.blank()
	if p.err == nil && p.rest != "" && p.rest[0] == c {
		p.rest = p.rest[1:]
		return true
	}
	return false
}

func (p *pythonReader) expect(c byte) {
	if !p.accept(c) && p.err == nil {
		p.err = fmt.Errorf("the configuration is not an object of texts: %q is missing", c)
	}
}

func (p *pythonReader) text() string {
	p.blank()
	if p.err != nil {
		return ""
	}
	if p.rest == "" || p.rest[0] != '\'' && p.rest[0] != '"' {
		p.err = errors.New("the configuration has a value that is not a quoted text")
		return ""
	}
	quote := p.rest[0]
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == quote:
			p.rest = p.rest[i+1:]
			return b.String()
		case c == '\\':
			i++
			if i == len(p.rest) || !strings.ContainsRune(`\'"`, rune(p.rest[i])) {
				p.err = errors.New("the configuration has an escape that is not accepted")
				return ""
			}
			b.WriteByte(p.rest[i])
		case c < ' ':
			p.err = errors.New("the configuration has a control character in a text")
			return ""
		default:
			b.WriteByte(c)
		}
	}
	p.err = errors.New("the configuration has a text without an end")
	return ""
}
