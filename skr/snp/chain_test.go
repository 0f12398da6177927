package snp

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/internal/testpki"
)

func TestParseChain(t *testing.T) {
	c, other := twoChips(t)
	table := certTable(c.vcek.Raw)
	edit := func(at int, n uint32) []byte {
		b := bytes.Clone(table)
		binary.LittleEndian.PutUint32(b[at:], n)
		return b
	}
	report, err := ParseReport(c.report(t, nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		b        []byte
		complete bool
	}{
		"PEM":             {c.chain, true},
		"other order":     {testpki.PEM(c.ark, c.vcek, c.ask), true},
		"base64 of PEM":   {[]byte(base64Lines(c.chain)), true},
		"document":        {c.hostDocument(nil), true},
		"base64 of it":    {[]byte(base64Lines(c.hostDocument(nil))), true},
		"VCEK alone":      {testpki.PEM(c.vcek), false},
		"DER":             {c.vcek.Raw, false},
		"table":           {table, false},
		"no ARK":          {testpki.PEM(c.vcek, c.ask), false},
		"with a stranger": {append(testpki.PEM(testBuilder().leaf), c.chain...), true},
	} {
		chain, err := ParseChain(tc.b)
		if err != nil || !chain.VCEK.Equal(c.vcek) || (chain.Fits(report) == nil) != tc.complete {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, tc := range map[string]struct {
		b    []byte
		want string
	}{
		"nothing":            {nil, "no end"},
		"text":               {[]byte("certificates"), "no end"},
		"huge":               {bytes.Repeat(c.chain, 100), "at most"},
		"base64 of huge":     {[]byte(base64Lines(bytes.Repeat(c.chain, 17))), "at most"},
		"DER of another":     {c.ask.Raw, "VCEK"},
		"table without end":  {append(bytes.Clone(table[:16]), make([]byte, 8)...), "no end"},
		"table of zeros":     {make([]byte, 24), "no certificate"},
		"table beyond":       {edit(20, 1<<20), "outside"},
		"offset overflows":   {edit(16, 0xffffffff), "outside"},
		"length overflows":   {edit(20, 0xffffffff), "outside"},
		"sum overflows":      {binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(make([]byte, 16), 0xfffffff0), 0x20), "outside"},
		"ASK of another":     {testpki.PEM(c.vcek, other.ask, c.ark), "not signed by the ASK"},
		"ARK of another":     {testpki.PEM(c.vcek, c.ask, other.ark), "not signed by the ARK"},
		"two of a kind":      {testpki.PEM(c.vcek, c.ask, c.ask), "two certificates"},
		"document, no tcbm":  {[]byte("{}"), "tcbm"},
		"document, no chain": {[]byte(`{"tcbm":"1"}`), "no certificate"},
		"document, number":   {[]byte(`{"tcbm":1}`), "cannot unmarshal"},
	} {
		if _, err := ParseChain(tc.b); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The addresses that AMD documents for each product line.
func TestAMDURL(t *testing.T) {
	k := authorityKeys()
	milan, _ := twoChips(t)
	genoa, turin := newChip(Genoa, 0x19, 0x11, k[0], k[1]), newChip(Turin, 0x1a, 0x02, k[0], k[1])
	const id = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f40"
	for _, tc := range []struct {
		chip          *chip
		edit          func([]byte)
		product, want string
	}{
		{milan, nil, "", "Milan/" + id + "?blSPL=3&teeSPL=0&snpSPL=8&ucodeSPL=219"},
		{milan, nil, Genoa, "Genoa/" + id + "?blSPL=3&teeSPL=0&snpSPL=8&ucodeSPL=219"},
		{genoa, genoa.version3, Milan, "Genoa/" + id + "?blSPL=3&teeSPL=0&snpSPL=8&ucodeSPL=219"},
		{turin, turin.version3, "", "Turin/0102030405060708?fmcSPL=1&blSPL=2&teeSPL=3&snpSPL=4&ucodeSPL=219"},
	} {
		r, err := ParseReport(tc.chip.report(t, nil, tc.edit))
		if err != nil {
			t.Fatal(err)
		}
		if got := AMDURL(r, tc.product); got != "https://kdsintf.amd.com/vcek/v1/"+tc.want {
			t.Errorf("%s", got)
		}
	}
}
