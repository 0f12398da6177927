package cleanroom

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The document of the earlier release, upgraded, validates, and is what the
// later release's commands would have made of the same inputs.
func TestUpgrade(t *testing.T) {
	old := readG1(t, "consumer-config.yaml")
	before := encoded(t, old)
	up, err := old.Upgrade()
	must(t, err)
	if !bytes.Equal(encoded(t, old), before) {
		t.Error("the old document was changed")
	}
	if issues, err := up.Validate(nil); err != nil || len(issues) > 0 {
		t.Errorf("%v, %v", issues, err)
	}
	// They differ in what the tools ask for: the issuer's address, the separator of the secret's id.
	want := read(t, "consumer-config.yaml")
	got := strings.NewReplacer("https://AzureAD", want.Identities[1].TokenIssuer.Issuer.URL, ":dbconfig", "_dbconfig").Replace(string(encoded(t, up)))
	same(t, []byte(got), encoded(t, want))

	if _, err := readG1(t, "merged.yaml").Upgrade(); err == nil || !strings.Contains(err.Error(), "sandbox is disabled") {
		t.Errorf("upgraded without a sandbox: %v", err)
	}
	for name, change := range map[string]func(*Specification){
		"src= and dst=": func(s *Specification) { s.Applications[0].RuntimeSettings.Mounts = Mounts{{"a", "/b"}} },
		"not in the document": func(s *Specification) {
			s.Applications[0].RuntimeSettings.Mounts = Mounts{{"src=a", "dst=/b"}}
		},
		"several endpoints": func(s *Specification) { s.ApplicationEndpoints = make([]ApplicationEndpoint, 2) },
		"configuration":     func(s *Specification) { s.Datasinks[0].Protection.Configuration = "x" },
	} {
		s := readG1(t, "consumer-config.yaml")
		change(s)
		if _, err := s.Upgrade(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Generate(old, GenerateOptions{}); err == nil || !strings.Contains(err.Error(), "upgrade it") {
		t.Errorf("generated from G1: %v", err)
	}
}

// Values of the later form are not in the earlier one.
func TestEnumerationsOfG1(t *testing.T) {
	text := string(encoded(t, readG1(t, "consumer-config.yaml")))
	for _, word := range []string{"Aws_S3", "Azure_BlobStorage_DataLakeGen2"} {
		if _, err := ParseSpecificationG1([]byte(strings.Replace(text, "type: Azure_BlobStorage", "type: "+word, 1))); err == nil || !strings.Contains(err.Error(), "is not a known value") {
			t.Errorf("%s: %v", word, err)
		}
	}
}

// A file that changes under the reader is refused: half a document can be a
// whole one.
func TestReadWhileWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	must(t, os.WriteFile(file, []byte(empty), 0o600))
	betweenStats = func() { must(t, os.WriteFile(file, []byte(empty+"network: null\n"), 0o600)) }
	defer func() { betweenStats = func() {} }()
	if _, err := ReadSpecification(file); err == nil || !strings.Contains(err.Error(), "written to while it was read") {
		t.Errorf("%v", err)
	}
	betweenStats = func() { must(t, os.Chtimes(file, time.Time{}, time.Unix(1, 0))) }
	if _, err := ReadSpecification(file); err == nil {
		t.Error("a new time went unseen")
	}
	betweenStats = func() {}
	if _, err := ReadSpecification(file); err != nil {
		t.Error(err)
	}
}

func FuzzParseSpecificationG1(f *testing.F) {
	good, err := os.ReadFile("testdata/g1/merged.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSpecificationG1(b)
		if err != nil {
			return
		}
		s.Validate(nil)
		written, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseSpecificationG1(written); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if up, err := s.Upgrade(); err == nil {
			if written, err = up.Encode(); err != nil {
				t.Fatal(err)
			}
			if _, err := ParseSpecification(written); err != nil {
				t.Fatalf("what was upgraded cannot be read: %v", err)
			}
		}
	})
}
