package blob

import (
	"errors"
	"strings"
	"testing"
)

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"bytes=0-", "bytes=0-0", "bytes=3-9", "bytes=-1", "bytes=9-1", "bytes=0-1,2-3", "bytes=9223372036854775807-", "bytes=0-9223372036854775807", ""} {
		f.Add(s, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		off, n, err := parseRange(header, size)
		if err != nil {
			var refused *serviceError
			if !errors.As(err, &refused) {
				t.Fatalf("%q: %v is not an answer", header, err)
			}
			return
		}
		if off < 0 || n < 1 || off > size-n {
			t.Fatalf("%q of %d bytes: %d bytes at %d", header, size, n, off)
		}
	})
}

func FuzzParseBlockList(f *testing.F) {
	for _, s := range []string{
		`<?xml version="1.0" encoding="utf-8"?><BlockList><Latest>AAAA</Latest><Uncommitted>BBBB</Uncommitted><Committed>CCCC</Committed></BlockList>`,
		`<BlockList/>`, `<BlockList><Other>AAAA</Other></BlockList>`, `<BlockList></BlockList>x`, `<a/>`, ``, `<BlockList>`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		entries, err := parseBlockList([]byte(body))
		if err != nil {
			var refused *serviceError
			if !errors.As(err, &refused) {
				t.Fatalf("%v is not an answer", err)
			}
			return
		}
		for _, e := range entries {
			if e.where != "Latest" && e.where != "Uncommitted" && e.where != "Committed" {
				t.Fatalf("an entry %q", e.where)
			}
		}
	})
}

func TestParseBlockList(t *testing.T) {
	got, err := parseBlockList([]byte(`<BlockList><Latest>a</Latest><Committed>b</Committed><Latest>c</Latest></BlockList>`))
	if err != nil || len(got) != 3 || got[0] != (listEntry{"Latest", "a"}) || got[1] != (listEntry{"Committed", "b"}) || got[2] != (listEntry{"Latest", "c"}) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := parseBlockList([]byte("<BlockList>" + strings.Repeat("<Latest>a</Latest>", maxBlocks+1) + "</BlockList>")); err == nil {
		t.Error("a list of 50,001 blocks was taken")
	}
}
