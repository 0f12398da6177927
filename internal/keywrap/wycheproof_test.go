package keywrap

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"
)

// hexBytes are bytes in hex, as the vectors have them.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// The vectors under testdata/wycheproof are those of Project Wycheproof; their
// licence lies beside them.
func TestWycheproof(t *testing.T) {
	for _, f := range []struct {
		file         string
		want         int // vectors
		wrap, unwrap func(kek, in []byte) ([]byte, error)
		both         bool // UnwrapAES must say the same
	}{
		{"aes_kwp_test.json", 254, WrapKWP, UnwrapKWP, true},
		{"aes_wrap_test.json", 165, WrapKW, UnwrapKW, true},
	} {
		t.Run(f.file, func(t *testing.T) {
			b, err := os.ReadFile("testdata/wycheproof/" + f.file)
			if err != nil {
				t.Fatal(err)
			}
			var doc struct {
				Groups []struct {
					Tests []struct {
						ID           int `json:"tcId"`
						Key, Msg, Ct hexBytes
						Result       string
						Flags        []string
					}
				} `json:"testGroups"`
			}
			if err := json.Unmarshal(b, &doc); err != nil {
				t.Fatal(err)
			}
			ran, opened := 0, 0
			for _, g := range doc.Groups {
				for _, v := range g.Tests {
					ran++
					plain, err := f.unwrap(v.Key, v.Ct)
					again, errAgain := UnwrapAES(v.Key, v.Ct)
					switch {
					case err == nil && !bytes.Equal(plain, v.Msg):
						t.Errorf("%d: opened to other bytes", v.ID)
					case err == nil && v.Result == "invalid":
						t.Errorf("%d: an invalid value was opened", v.ID)
					case err != nil && v.Result == "valid":
						t.Errorf("%d: %v", v.ID, err)
					case err != nil && !errors.Is(err, ErrUnwrap):
						t.Errorf("%d: another error: %v", v.ID, err)
					case err != nil && ReasonOf(err) == NoReason:
						t.Errorf("%d: no reason", v.ID)
					}
					if err == nil && (errAgain != nil || !bytes.Equal(again, plain)) {
						t.Errorf("%d: UnwrapAES: %v", v.ID, errAgain)
					}
					if err != nil {
						continue
					}
					opened++
					if ct, err := f.wrap(v.Key, v.Msg); err != nil || !bytes.Equal(ct, v.Ct) {
						t.Errorf("%d: wraps to other bytes: %v", v.ID, err)
					}
				}
			}
			if ran != f.want || opened == 0 {
				t.Errorf("want %d vectors, ran %d, of which %d opened", f.want, ran, opened)
			}
		})
	}
}
