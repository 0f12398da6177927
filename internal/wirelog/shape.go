package wirelog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// maxDepth bounds the recursion into somebody else's JSON.
const maxDepth = 6

// maxName is the longest name that is shown. What is longer is no name that a
// protocol gives, and may be a value in a name's place.
const maxName = 64

// Shape describes a JSON text by its names and kinds: {"value":string(344)}.
// No value appears, not even a number, for a token's claims are values too.
func Shape(text []byte) string {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var b strings.Builder
	if err := shapeValue(&b, d, 0); err != nil {
		return fmt.Sprintf("(not json, %d bytes)", len(text))
	}
	return b.String()
}

func shapeValue(b *strings.Builder, d *json.Decoder, depth int) error {
	tok, err := d.Token()
	if err != nil {
		return err
	}
	switch v := tok.(type) {
	case json.Delim:
		if depth == maxDepth {
			b.WriteString("...")
			return skip(d)
		}
		return shapeComposite(b, d, v, depth)
	case string:
		fmt.Fprintf(b, "string(%d)", len(v))
	case json.Number:
		b.WriteString("number")
	case bool:
		b.WriteString("bool")
	case nil:
		b.WriteString("null")
	}
	return nil
}

func shapeComposite(b *strings.Builder, d *json.Decoder, open json.Delim, depth int) error {
	b.WriteString(open.String())
	n := 0
	for ; d.More(); n++ {
		if n > 0 && open == '{' {
			b.WriteByte(',')
		}
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return err
			}
			if text, ok := name.(string); ok && len(text) > maxName {
				fmt.Fprintf(b, "name(%d):", len(text))
			} else {
				fmt.Fprintf(b, "%q:", name)
			}
		}
		into := b
		if open == '[' && n > 0 {
			into = new(strings.Builder) // of a list the first element stands for all
		}
		if err := shapeValue(into, d, depth+1); err != nil {
			return err
		}
	}
	if open == '[' && n > 1 {
		fmt.Fprintf(b, " x %d", n)
	}
	end, err := d.Token()
	if err != nil {
		return err
	}
	b.WriteString(end.(json.Delim).String())
	return nil
}

// skip reads to the end of the composite value that was just opened.
func skip(d *json.Decoder) error {
	for depth := 1; depth > 0; {
		tok, err := d.Token()
		if err != nil {
			return err
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	return nil
}
