package cleanroom

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func readG1(t testing.TB, name string) *Specification {
	t.Helper()
	s, err := ReadSpecificationG1(filepath.Join("testdata/g1", name))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Documents of the earlier release are read, and written byte for byte but
// for the quotes of texts.
func TestGenuineDocumentsG1(t *testing.T) {
	for _, file := range []string{"consumer-config.yaml", "publisher-config.yaml", "merged.yaml", "merged-publisher-first.yaml"} {
		genuine, err := os.ReadFile(filepath.Join("testdata/g1", file))
		must(t, err)
		s := readG1(t, file)
		written := encoded(t, s)
		same(t, written, genuine)
		again, err := ParseSpecificationG1(written)
		must(t, err)
		if !bytes.Equal(encoded(t, again), written) {
			t.Errorf("%s: written twice, it differs", file)
		}
		if _, err := ParseSpecification(genuine); err == nil || !strings.Contains(err.Error(), "ReadSpecificationG1") {
			t.Errorf("%s: read as G2, %v", file, err)
		}
	}
	genuine, err := os.ReadFile("testdata/consumer-config.yaml")
	must(t, err)
	if _, err := ParseSpecificationG1(genuine); err == nil || !strings.Contains(err.Error(), "of another generation than G1") {
		t.Errorf("read as G1: %v", err)
	}
}

func TestMergeG1AsTheGenuineCommand(t *testing.T) {
	for _, v := range []struct{ base, other, merged string }{
		{"consumer-config.yaml", "publisher-config.yaml", "merged.yaml"},
		{"publisher-config.yaml", "consumer-config.yaml", "merged-publisher-first.yaml"},
	} {
		m, err := Merge(readG1(t, v.base), readG1(t, v.other))
		must(t, err)
		want, err := os.ReadFile(filepath.Join("testdata/g1", v.merged))
		must(t, err)
		same(t, encoded(t, m), want)
	}
	if _, err := Merge(readG1(t, "consumer-config.yaml"), read(t, "publisher-config.yaml")); err == nil || !strings.Contains(err.Error(), "generation") {
		t.Errorf("merged two generations: %v", err)
	}
}

// stricterG1 is what [stricter] is, for the earlier release.
var stricterG1 = map[string]struct {
	issues string // ids sorted, or "refused" when reading
	why    string
}{
	"mount names a datasink that is absent":     {"DatasinkNotFound", "the tool deploys a mount that nothing serves"},
	"mount without prefixes":                    {"InvalidMount", "generation crashes"},
	"mount with = in the path":                  {"InvalidMount", "generation cuts the path off without a word"},
	"endpoint with inline policy":               {"UnsupportedNetworkPolicy", "generation fails"},
	"two endpoints with two ports":              {"MultipleApplicationEndpointsNotSupported NetworkAllowAll NetworkAllowAll", "generation fails"},
	"endpoints null":                            {"EndpointsMissing", "generation crashes"},
	"endpoints missing":                         {"EndpointsMissing", "generation crashes"},
	"SSE without secrets":                       {"EncryptionSecretsMissing", "generation fails"},
	"protection configuration is a call":        {"InvalidConfiguration", "generation fails; it is not evaluated here either"},
	"G2 network present":                        {"refused", "the tool drops it silently"},
	"protection configuration empty":            {"InvalidConfiguration", "generation fails"},
	"protection configuration without the mode": {"InvalidConfiguration", "generation crashes"},
	"KEK configuration missing":                 {"KekAuthorityMissing", "generation fails"},
	"CPK without secrets":                       {"EncryptionSecretsMissing", "generation fails"},
	"two applications":                          {"MultipleApplications", "each sees the other's network"},
	"two applications with one name":            {"DuplicateName MultipleApplications", "two containers of one name"},
	"datasource and datasink with one name":     {"DuplicateName WrongDirection", "two mounts with one name; the source is of the writing kind"},
	"two identities with one name":              {"DuplicateName", "references are by name"},
	"cpu as a string":                           {"refused", "a number in quotes is text"},
	"port as a string":                          {"refused", "a number in quotes is text"},
	"port true":                                 {"refused", "true is not the port 1"},
	"port out of range":                         {"InvalidPort", "there is no such port"},
	"quote in the application name":             {"InvalidName", "generation crashes"},
	"dollar in the application name":            {"InvalidName", "the platform refuses the container"},
	"non-ASCII application name":                {"InvalidName", "the platform refuses the container"},
	"unknown key at the top":                    {"refused", "an unknown key is a typing mistake"},
	"unknown key deep inside":                   {"refused", "an unknown key is a typing mistake"},
	"text: anchors and aliases":                 {"refused", "the anchor stands under an unknown key; aliases are accepted"},
}

// laxG1 and laxG2 are cases that the genuine generation refuses and this
// package does not, with the reason.
var (
	laxG1 = map[string]string{
		"protection configuration is the G2 form": "all three encodings say the same, and are read everywhere",
	}
	laxG2 = map[string]string{
		"protection configuration is plain JSON":  "all three encodings say the same, and are read everywhere",
		"protection configuration is the G1 form": "all three encodings say the same, and are read everywhere",
		"S3 store": "such a store has no identity, for which that generation looks; ours refuses the kind of store",
	}
)

func TestValidateG1AsTheGenuineCommand(t *testing.T) {
	ran, differ := validateCases(t, "testdata/g1/validate.json", G1, func(name string) (string, bool) {
		s, ok := stricterG1[name]
		return s.issues, ok
	}, laxG1)
	if ran != 74 || differ != len(stricterG1) {
		t.Errorf("ran %d cases, of which %d are stricter; want 74 and %d", ran, differ, len(stricterG1))
	}
}

// What the genuine generation refuses or crashes on is refused here by reading
// or validating.
func TestRefusedAsTheGenuineGeneration(t *testing.T) {
	ran, differ := validateCases(t, "testdata/validate.json", G2, func(name string) (string, bool) {
		s, ok := stricter[name]
		list := strings.Fields(s.issues)
		slices.Sort(list)
		return strings.Join(list, " "), ok
	}, laxG2)
	if ran != 88 || differ != len(stricter) {
		t.Errorf("ran %d cases, of which %d are stricter", ran, differ)
	}
}

// validateCases compares the issues of each case, sorted, with those of the
// genuine validation, and checks that no case which the genuine generation
// refuses is without an error here.
func validateCases(t *testing.T, file string, g Generation, stricter func(string) (string, bool), lax map[string]string) (ran, differ int) {
	var vectors struct {
		Base  json.RawMessage
		Cases []struct {
			Name                     string
			Text                     *string
			Missing                  bool
			Edits                    []edit
			Refused, GenerateRefused bool
			Codes, Warnings, Schema  []string
		}
	}
	readJSON(t, file, &vectors)
	seenLax := 0
	for _, c := range vectors.Cases {
		ran++
		t.Run(c.Name, func(t *testing.T) {
			if c.Missing {
				if _, err := readSpecification(filepath.Join(t.TempDir(), "none.yaml"), g); !errors.Is(err, os.ErrNotExist) || !c.Refused {
					t.Errorf("%v", err)
				}
				return
			}
			b := edited(t, vectors.Base, c.Edits)
			if c.Text != nil {
				b = []byte(*c.Text)
			}
			list := strings.Fields(outcome(t, b, c.Schema, g))
			slices.Sort(list)
			got := strings.Join(list, " ")
			wanted := slices.Concat(c.Codes, c.Warnings)
			slices.Sort(wanted)
			want := strings.Join(wanted, " ")
			if c.Refused && len(c.Codes) == 0 {
				want = "refused"
			}
			if s, ok := stricter(c.Name); ok {
				want = s
				differ++
			}
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if !c.GenerateRefused || got == "refused" {
				return
			}
			s, err := parseSpecification(b, g)
			must(t, err)
			_, err = s.Validate(nil)
			var v *ValidationError
			if _, ok := lax[c.Name]; ok {
				seenLax++
				if err != nil {
					t.Errorf("is refused and listed as lax: %v", err)
				}
			} else if !errors.As(err, &v) {
				t.Errorf("the genuine generation refuses it; here: %v", err)
			}
		})
	}
	if seenLax != len(lax) {
		t.Errorf("%d cases are lax, want %d", seenLax, len(lax))
	}
	return ran, differ
}

func TestMergeCasesG1(t *testing.T) {
	mergeCases(t, "testdata/g1/merge.json", G1, 17, map[string]string{
		"same identity name, other content":                  "identities[a].clientId", // the tool keeps both; a reference by name then means either
		"twice the same entry in the first document":         "",                       // the tool keeps both
		"unknown key is dropped":                             "refused",                // a typing mistake must not vanish
		"sandbox differs":                                    "sandbox.sandboxType",    // the tool crashes
		"governance: application here, infrastructure there": "merged",                 // the tool fails: it cannot unite what does not contradict
		"governance: different and additional":               "merged",
	})
}
