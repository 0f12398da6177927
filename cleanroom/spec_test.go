package cleanroom

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func read(t *testing.T, name string) *Specification {
	t.Helper()
	s, err := ReadSpecification(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// same compares two YAML texts as data, nulls left out: a field that is null
// and one that is missing mean the same.
func same(t *testing.T, got, want []byte) {
	t.Helper()
	var g, w any
	if err := yaml.Unmarshal(got, &g); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(want, &w); err != nil {
		t.Fatal(err)
	}
	if gs, ws := fmt.Sprintf("%v", withoutNulls(g)), fmt.Sprintf("%v", withoutNulls(w)); gs != ws {
		t.Errorf("differs:\ngot  %s\nwant %s", gs, ws)
	}
}

func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e == nil {
				delete(v, k)
				continue
			}
			v[k] = withoutNulls(e)
		}
	case []any:
		for i, e := range v {
			v[i] = withoutNulls(e)
		}
	}
	return v
}

// Documents that the genuine commands wrote are read, and written with the
// same meaning.
func TestGenuineDocuments(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) != 4 {
		t.Fatalf("want 4 documents, got %d, %v", len(files), err)
	}
	for _, file := range files {
		genuine, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ParseSpecification(genuine)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		written, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		same(t, written, genuine)
		again, err := ParseSpecification(written)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := again.Encode(); err != nil || !bytes.Equal(twice, written) {
			t.Errorf("%s: written twice, it differs: %v", file, err)
		}
	}
}

func TestMergeAsTheGenuineCommand(t *testing.T) {
	for _, v := range []struct{ base, other, merged string }{
		{"consumer-config.yaml", "publisher-config.yaml", "merged.yaml"},
		{"publisher-config.yaml", "consumer-config.yaml", "merged-publisher-first.yaml"},
	} {
		m, err := Merge(read(t, v.base), read(t, v.other))
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join("testdata", v.merged))
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, want)
	}
}

func TestMergeConflict(t *testing.T) {
	a, b := read(t, "consumer-config.yaml"), read(t, "consumer-config.yaml")
	b.Datasinks[0].Store.Name = "elsewhere"
	_, err := Merge(a, b)
	var conflict *MergeConflictError
	if !errors.As(err, &conflict) || len(conflict.Conflicts) == 0 {
		t.Fatalf("want a conflict, got %v", err)
	}
	if !strings.Contains(err.Error(), "elsewhere") {
		t.Errorf("the error does not name the value: %v", err)
	}
}

// Each value of a conflict is that of the party that said it, not of the base
// into which it was merged.
func TestMergeConflictNamesTheParties(t *testing.T) {
	const port, name = 5432, "application-telemetry"
	base, publisher, third, fourth := NewSpecification(), read(t, "publisher-config.yaml"), read(t, "publisher-config.yaml"), NewSpecification()
	third.Datasinks[0].Store.Name = "elsewhere"
	must(t, fourth.AllowTCP("192.0.2.1", port))
	fourth.Network.TCP.Outbound.Enabled = false
	parties := []PartyDocument{{"consumer", base}, {"publisher", publisher}, {"auditor", third}, {"regulator", fourth}}
	_, err := MergeParties(parties...)
	var conflict *MergeConflictError
	if !errors.As(err, &conflict) {
		t.Fatal(err)
	}
	first := conflict.Conflicts[0]
	last := conflict.Conflicts[len(conflict.Conflicts)-1]
	if want := (MergeConflict{
		Path: "datasinks[" + name + "].store.name", Document: 2, Holder: 1, Party: "auditor", HolderParty: "publisher",
		Merged: `"application-telemetry-50fa3f9f-publisherconfig"`, Other: `"elsewhere"`,
	}); first != want {
		t.Errorf("%+v", first)
	}
	if want := (MergeConflict{
		Path: "network.tcp.outbound.enabled", Document: 3, Holder: 1, Party: "regulator", HolderParty: "publisher", Merged: "true", Other: "false",
	}); last != want {
		t.Errorf("%+v", last)
	}
	if want := `datasinks[application-telemetry].store.name: publisher says "application-telemetry-50fa3f9f-publisherconfig", but auditor says "elsewhere"`; !strings.Contains(err.Error(), want) {
		t.Error(err)
	}
	// Without names, by position.
	_, err = Merge(publisher, third)
	if want := `the base says "application-telemetry-50fa3f9f-publisherconfig", but document 1 says "elsewhere"`; err == nil || !strings.Contains(err.Error(), want) {
		t.Error(err)
	}
	_, err = Merge(base, publisher, third)
	if want := `document 1 says "application-telemetry-50fa3f9f-publisherconfig", but document 2 says "elsewhere"`; err == nil || !strings.Contains(err.Error(), want) {
		t.Error(err)
	}
	if _, err := MergeParties(); err == nil {
		t.Error("merged nothing")
	}
	if _, err := MergeParties(PartyDocument{Party: "consumer"}); err == nil {
		t.Error("merged no document")
	}
}

func TestParseRefuses(t *testing.T) {
	good, err := os.ReadFile("testdata/consumer-config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"unknown key":       strings.Replace(string(good), "datasinks:", "datasink:", 1),
		"wrong enum case":   strings.Replace(string(good), "Volume_ReadWrite", "volume_readwrite", 1),
		"several documents": string(good) + "\n---\n" + string(good),
		"empty":             "",
		"not a map":         "- a\n",
		"bomb": "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
			"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
	} {
		if _, err := ParseSpecification([]byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		} else if !strings.HasPrefix(err.Error(), "cleanroom: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseSpecification(f *testing.F) {
	good, err := os.ReadFile("testdata/merged.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSpecification(b)
		if err != nil {
			return
		}
		written, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseSpecification(written); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
	})
}

func ExampleMerge() {
	const (
		tenant  = "20000000-0000-4000-8000-000000000001"
		account = "https://example.blob.core.windows.net"
	)
	consumer := NewSpecification()
	steps := []error{
		consumer.AddIdentity("consumer-identity", "20000000-0000-4000-8000-0000000000fd", tenant, ""),
		consumer.SetKEK(KEKStore{VaultURL: "https://example.vault.azure.net", AttestationURL: "https://sharedneu.neu.attest.azure.net"}),
		consumer.AddDatasink(DatasinkOptions{Name: "consumer-output", ContainerURL: account + "/output", Identity: "consumer-identity"}),
	}
	publisher := NewSpecification()
	steps = append(steps, publisher.AllowTCP("203.0.113.7", 5432))
	if err := errors.Join(steps...); err != nil {
		fmt.Println(err)
		return
	}
	merged, err := Merge(consumer, publisher)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, sink := range merged.Datasinks {
		fmt.Println(sink.Name, "->", sink.Store.Provider.URL+sink.Store.Name)
	}
	fmt.Println(merged.Network.TCP.Outbound.AllowedIPs)
	// Output:
	// consumer-output -> https://example.blob.core.windows.net/output
	// [{203.0.113.7 5432}]
}
