package snp

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// hostDocument is the platform's certificate document for a chip.
func hostDocument(t testing.TB, c *chip, edit func(map[string]string)) string {
	t.Helper()
	at := bytes.Index(c.chain, []byte("-----END CERTIFICATE-----\n")) + len("-----END CERTIFICATE-----\n")
	doc := map[string]string{
		"vcekCert":         string(c.chain[:at]),
		"certificateChain": string(c.chain[at:]),
		"tcbm":             fmt.Sprintf("%016X", tcbOf(c)),
		"cacheControl":     "86400",
	}
	if edit != nil {
		edit(doc)
	}
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	// Line breaks inside and behind the text are what base64 tools write.
	text := base64.StdEncoding.EncodeToString(b)
	return text[:76] + "\n" + text[76:] + "\n"
}

func tcbOf(c *chip) (tcb uint64) {
	for i := len(c.tcb) - 1; i >= 0; i-- {
		tcb = tcb<<8 | uint64(c.tcb[i])
	}
	return tcb
}

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func noEnv(string) string { return "" }

func (c *chip) device(t testing.TB, source *contextSource) *device {
	return &device{context: source, report: func(data [64]byte) ([]byte, error) {
		return c.report(t, nil, func(b []byte) { copy(b[offReportData:], data[:]) }), nil
	}}
}

func TestDeviceEvidenceVerifies(t *testing.T) {
	c, _ := twoChips(t)
	dir := t.TempDir()
	write(t, dir, hostCertFile, hostDocument(t, c, nil))
	write(t, dir, endorsementFile, "0oRA\n")
	d := c.device(t, &contextSource{dir: dir, root: dir, getenv: noEnv})
	ev, err := d.Attest(context.Background(), []byte(`{"keys":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(ev.UVMEndorsements, []byte{0xd2, 0x84, 0x40}) {
		t.Errorf("endorsements %x", ev.UVMEndorsements)
	}
	if _, err := c.verifier(t, nil).Verify(ev); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := d.Attest(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestSecurityContextIsFound(t *testing.T) {
	c, _ := twoChips(t)
	root := t.TempDir()
	doc := hostDocument(t, c, nil)
	named := filepath.Join(root, "security-context-4711")
	write(t, named, hostCertFile, doc)
	elsewhere := filepath.Join(root, "elsewhere")
	write(t, elsewhere, hostCertFile, doc)
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	for name, s := range map[string]*contextSource{
		"option":    {dir: elsewhere, root: t.TempDir(), getenv: noEnv},
		"variable":  {root: t.TempDir(), getenv: env(contextVariable, elsewhere)},
		"root":      {root: root, getenv: noEnv},
		"variables": {dir: t.TempDir(), root: root, getenv: env(hostCertVariable, doc, endorsementVariable, "0oRA")},
	} {
		got, err := s.read()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.tcb != tcbOf(c) || !bytes.Equal(got.certificates, c.chain) || (len(got.endorsements) > 0) != (name == "variables") {
			t.Errorf("%s: tcb %x, %d bytes of chain, endorsements %x", name, got.tcb, len(got.certificates), got.endorsements)
		}
	}
	if dir := (&contextSource{root: t.TempDir(), getenv: noEnv}).directory(); dir != contextFallback {
		t.Errorf("fallback %s", dir)
	}
}

func TestDeviceFailures(t *testing.T) {
	c, _ := twoChips(t)
	docs := map[string]struct{ text, want string }{
		"no certificates": {"", "confidential container"},
		"no base64":       {"!", "illegal base64"},
		"no JSON":         {base64.StdEncoding.EncodeToString([]byte("x")), "invalid character"},
		"tcbm with 0x":    {hostDocument(t, c, func(d map[string]string) { d["tcbm"] = "0x" + d["tcbm"] }), "tcbm"},
		"no tcbm":         {hostDocument(t, c, func(d map[string]string) { d["tcbm"] = "" }), "tcbm"},
		"no VCEK":         {hostDocument(t, c, func(d map[string]string) { d["vcekCert"] = "" }), "VCEK"},
		"old TCB":         {hostDocument(t, c, func(d map[string]string) { d["tcbm"] = "7308000000000003" }), "updated"},
		"too long":        {strings.Repeat("A", maxContextFile+1), "more than"},
	}
	for name, tc := range docs {
		dir := t.TempDir()
		write(t, dir, hostCertFile, tc.text)
		_, err := c.device(t, &contextSource{dir: dir, root: dir, getenv: noEnv}).Attest(context.Background(), []byte("{}"))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	write(t, dir, hostCertFile, hostDocument(t, c, nil))
	write(t, dir, endorsementFile, "!")
	source := &contextSource{dir: dir, root: dir, getenv: noEnv}
	if _, err := source.read(); err == nil {
		t.Error("undecodable endorsements were accepted")
	}
	broken := errors.New("firmware says no")
	for name, report := range map[string]reporter{
		"device error": func([64]byte) ([]byte, error) { return nil, broken },
		"short report": func([64]byte) ([]byte, error) { return make([]byte, 8), nil },
		"other data":   func([64]byte) ([]byte, error) { return c.report(t, []byte("other"), nil), nil },
	} {
		if _, err := (&device{report: report, context: source}).Attest(context.Background(), []byte("{}")); err == nil {
			t.Errorf("%s gave evidence", name)
		}
	}
}

func TestOpenDeviceWithoutOne(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "sev-guest")
	_, err := OpenDevice(&DeviceOptions{Path: missing})
	want := os.ErrNotExist
	if runtime.GOOS != "linux" {
		want = errors.ErrUnsupported
	}
	if !errors.Is(err, want) || !strings.Contains(err.Error(), missing) {
		t.Errorf("got %v", err)
	}
}

func FuzzHostCertificates(f *testing.F) {
	c, _ := twoChips(f)
	b, err := base64.StdEncoding.DecodeString(hostDocument(f, c, nil))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"tcbm":"7308000000000003"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		chain, _, err := parseHostCertificates(b)
		if err == nil && len(chain) == 0 {
			t.Fatal("no chain and no error")
		}
	})
}
