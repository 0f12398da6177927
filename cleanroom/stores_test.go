package cleanroom

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The stores' documents of both releases are read and written byte for byte.
func TestGenuineStores(t *testing.T) {
	files := 0
	for _, dir := range []string{"g1", "g2"} {
		for _, party := range []string{"publisher", "consumer"} {
			secretFile, dataFile := filepath.Join("testdata", dir, party+"-secretstores.yaml"), filepath.Join("testdata", dir, party+"-datastores.yaml")
			secrets, err := ReadSecretStores(secretFile)
			must(t, err)
			data, err := map[string]func(string) (*Datastores, error){"g1": ReadDatastoresG1, "g2": ReadDatastores}[dir](dataFile)
			must(t, err)
			for file, document := range map[string]interface {
				Encode() ([]byte, error)
				WriteFile(string) error
			}{secretFile: secrets, dataFile: data} {
				files++
				got, err := document.Encode()
				must(t, err)
				want, err := os.ReadFile(file)
				must(t, err)
				if !bytes.Equal(got, want) {
					t.Errorf("%s:\n%s", file, got)
				}
				copied := filepath.Join(t.TempDir(), "copy")
				must(t, document.WriteFile(copied))
				if b, err := os.ReadFile(copied); err != nil || !bytes.Equal(b, want) {
					t.Errorf("%s: written %v", file, err)
				}
			}
		}
	}
	if files != 8 {
		t.Errorf("%d files, want 8", files)
	}
	for _, c := range []struct{ text, want string }{
		{"datastores: []\ndatastore: []\n", `did you mean datastores?`},
		{"datastores: [{name: a, encryptionMode: cpk, storeType: Azure_BlobStorage, storeProviderUrl: '', storeName: ''}]\n", `"cpk" is not a known value; did you mean CPK?`},
		{"", "cleanroom: read data stores: the document is empty"},
	} {
		if _, err := ParseDatastores([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.text, err)
		}
	}
	if _, err := ParseDatastoresG1([]byte("datastores: [{name: a, encryptionMode: CPK, storeType: Aws_S3, storeProviderUrl: '', storeName: ''}]\n")); err == nil || !strings.Contains(err.Error(), "secretstore_config: is missing") {
		t.Error(err)
	}
	if _, err := ParseSecretStores([]byte("secretstores: [{name: a, secretStoreType: Local_Fil, storeProviderUrl: '', supportedSecretTypes: [secret]}]\n")); err == nil || !strings.Contains(err.Error(), "did you mean Local_File") || !strings.Contains(err.Error(), "did you mean Secret") {
		t.Error(err)
	}
}

func FuzzStores(f *testing.F) {
	for _, name := range []string{"g1/publisher-datastores.yaml", "g2/publisher-datastores.yaml", "g2/publisher-secretstores.yaml"} {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := ParseDatastores(b); err == nil {
			written, err := s.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ParseDatastores(written); err != nil {
				t.Fatal(err)
			}
		}
		if s, err := ParseSecretStores(b); err == nil {
			written, err := s.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ParseSecretStores(written); err != nil {
				t.Fatal(err)
			}
		}
	})
}
