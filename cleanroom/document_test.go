package cleanroom

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

const empty = "identities: []\ndatasources: []\ndatasinks: []\napplications: []\n"

func manyVariables(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "V%d: '', ", i)
	}
	return b.String()
}

// The place, the mistake and the nearest known name are in the message.
func TestParseNamesThePlace(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", empty + "netwrok: null\n", `line 5, column 1: unknown key "netwrok"; did you mean network?`},
		{"case of a key", strings.Replace(empty, "datasinks", "dataSinks", 1), `unknown key "dataSinks"; did you mean datasinks?`},
		{"key like none", empty + "zzzzzzzz: 1\n", "known are applications, datasinks"},
		{"duplicate key", empty + "identities: []\n", "line 5, column 1: identities: is written twice, first in line 1"},
		{"duplicate variable", app("environmentVariables: {A: '1', A: '2'}"), "environmentVariables.A: is written twice"},
		{"duplicate of many", app("environmentVariables: {" + manyVariables(40) + "V3: ''}"), "environmentVariables.V3: is written twice"},
		{"duplicate late", app("environmentVariables: {" + manyVariables(40) + "V39: ''}"), "environmentVariables.V39: is written twice"},
		{"enum case", empty + "sandbox: {sandboxType: none}\n", `line 5, column 24: sandbox.sandboxType: "none" is not a known value; did you mean None?`},
		{"text for a list", strings.Replace(empty, "identities: []", "identities: x", 1), `line 1, column 13: identities: is the text "x", must be a list`},
		{"null for a list", strings.Replace(empty, "identities: []", "identities:", 1), "identities: is null, must be a list"},
		{"missing list", "identities: []\n", "applications: is missing"},
		{"number for text", app("environmentVariables: {PORT: 5432}"), `environmentVariables.PORT: is the number "5432", must be text; put it in quotes`},
		{"old boolean for text", app("environmentVariables: {DEBUG: yes}"), "yes means something else to other readers; put it in quotes"},
		{"old time for text", app("environmentVariables: {AT: 12:30}"), "12:30 means something else"},
		{"date for text", app("environmentVariables: {AT: 2026-01-01}"), "environmentVariables.AT: is"},
		{"text for a number", dns("port: '53'"), `network.dns.port: is the text "53", must be a whole number without quotes`},
		{"fraction", dns("port: 53.5"), "must be a whole number"},
		{"octal", dns("port: 053"), "must be a whole number"},
		{"not a number", dns("port: .nan"), "must be a whole number"},
		{"huge number", dns("port: 1e300"), "must be a whole number"},
		{"text for a boolean", dns("port: 53, enabled: 'true'"), "enabled: is"},
		{"tag", empty + "sandbox: !!python/object:os.system {}\n", "tag"},
		{"tag on text", dns("port: !!int '53'"), "tag"},
		{"merge key", "x: &x {a: b}\n" + empty + "sandbox: {<<: *x}\n", "merge keys"},
		{"alias to itself", empty + "network: &n {tcp: *n}\n", "network.tcp"},
		{"second document", empty + "---\n" + empty, "second document"},
		{"syntax", "identities: [\n", "line "},
		{"tab", "identities:\n\t- a\n", "line 2"},
		{"binary", "\x00\x01", "control characters"},
		{"invalid UTF-8", "identities: \xff\n", "UTF-8"},
		{"field of another issuer", empty[15:] + "identities: [{name: a, clientId: '', tenantId: '', tokenIssuer: {issuerType: AttestationBasedTokenIssuer, issuer: {protocol: Attested_OIDC, url: 'https://cgs/oidc'}, federatedIdentity: null}}]\n", `unknown key "federatedIdentity"`},
	} {
		_, err := ParseSpecification([]byte(c.text))
		var d *DocumentError
		if !errors.As(err, &d) || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "cleanroom: read specification") {
			t.Errorf("%s: want %q, got %v", c.name, c.want, err)
		}
	}
}

// app is a document with one application that lacks all but one field.
func app(field string) string {
	return strings.Replace(empty, "applications: []", "applications:\n- "+field, 1)
}

func dns(fields string) string {
	return empty + "network: {dns: {" + fields + "}}\n"
}

func TestParseAccepts(t *testing.T) {
	for name, text := range map[string]string{
		"byte order mark": "\ufeff" + empty,
		"CRLF":            strings.ReplaceAll(empty, "\n", "\r\n"),
		"JSON":            `{"identities": [], "datasources": [], "datasinks": [], "applications": []}`,
		"alias":           "identities: &e []\ndatasources: *e\ndatasinks: *e\napplications: *e\n",
		"old boolean":     dns("port: 53.0, enabled: yes"),
		"one end mark":    "---\n" + empty + "...\n",
		"comments":        "# first\n" + empty + "# last\n",
	} {
		if _, err := ParseSpecification([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Documents made to exhaust a reader are refused, and cost no more than their
// own nodes do. The ones in the first group are short: it is what their
// aliases name, or what their elements would become, that is large.
func TestBombs(t *testing.T) {
	const issuer = "tokenIssuer: {issuerType: AttestationBasedTokenIssuer, issuer: {protocol: Attested_OIDC, url: ''}}"
	numbered := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	doubling := "identities: &a0 [a, a]\n"
	for i := range 40 {
		doubling += fmt.Sprintf("x%d: &a%d [*a%d, *a%[3]d]\n", i, i+1, i)
	}
	recursive := "{name: a, clientId: '', tenantId: '', tokenIssuer: &i {issuerType: FederatedIdentityBasedTokenIssuer, issuer: {protocol: AzureAD_Federated, url: ''}, federatedIdentity: {name: b, clientId: '', tenantId: '', tokenIssuer: *i}}}"
	repeated := func(variables string, times int) string {
		return "identities: []\ndatasources: []\ndatasinks: []\napplications: [&a {name: a, startType: Auto, command: [], environmentVariables: {" + variables + "}, " +
			"image: {executable: {documentType: OCI, authenticityReceipt: '', backingResource: {name: a, type: AzureContainerRegistry, id: a, provider: {protocol: AzureContainerRegistry, url: a}}}, enforcementPolicy: {policy: null}}, " +
			"runtimeSettings: {ports: [], resource: {requests: {cpu: 1, memoryInGB: 1}}}}" + strings.Repeat(", *a", times) + "]\n"
	}
	cases := []struct {
		name, text, want string
		limit            uint64 // MiB allocated
	}{
		{"doubling", doubling + empty, "identities[0]: is the text", 8},
		{"unknown keys", "identities: [&m {" + numbered("k%d: a,", 10000) + "}, " + strings.Repeat("*m,", 10000) + "]\n", "unknown key", 64},
		{"keys of a list", "identities: &l [" + numbered("{k%d: a},", 10000) + "]\ndatasources: *l\ndatasinks: *l\n", "unknown key", 64},
		{"elements", "datasinks: [" + strings.Repeat("a,", 100000) + "]\n", "20 problems", 64},
		{"lists", "identities: &l [" + strings.Repeat("{name: a, clientId: '', tenantId: '', "+issuer+"},", 2000) + "]\ndatasources: [" + strings.Repeat("*l,", 10000) + "]\n", "20 problems", 64},
		{"variables", repeated(numbered("k%d: a,", 10000), 1000), "expands to more than", 300},
		{"text", repeated("k: "+strings.Repeat("x", 1<<20), 1000), "expands to more than", 32},
		{"itself", "identities: [" + recursive + "]\n", "deeper than 64 levels", 8},

		{"document", strings.Repeat("#", MaxDocumentSize+1), "more than the 8388608 that are read", 1},
		{"scalar", app("name: " + strings.Repeat("x", MaxDocumentSize)), "more than the 8388608 that are read", 1},
		{"flow depth", "identities: " + strings.Repeat("[", 100000), "depth", 32},
		{"block depth", strings.Repeat("- ", 100000), "depth", 32},
		{"map depth", strings.Repeat("{a: ", 100000), "depth", 32},
		{"nodes", "identities: [" + strings.Repeat("a,", maxStructure) + "]", "structural", 1},
		{"lines", strings.Repeat("a: b\n", maxStructure), "structural", 1},
		{"anchors", strings.Repeat("- &a\n", maxStructure/3+1), "structural", 1},
		{"key", empty + `? "` + strings.Repeat("k", 1<<20) + "\"\n: 1\n", `unknown key "kkk`, 32},
		{"tag", empty + "network: !" + strings.Repeat("k", 1<<20) + " 1\n", "the tag !kkk", 32},
	}
	for _, c := range cases {
		b := []byte(c.text)
		var err error
		used := allocated(func() { _, err = ParseSpecification(b) })
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want %q, got %.300v", c.name, c.want, err)
			continue
		}
		if len(err.Error()) > 1<<13 {
			t.Errorf("%s: an error of %d bytes", c.name, len(err.Error()))
		}
		if used > c.limit {
			t.Errorf("%s: %d MiB allocated for %d KiB of text", c.name, used, len(c.text)>>10)
		}
	}
}

// allocated is how many MiB f allocates in all.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) >> 20
}

// A document is written only if it can be read back.
func TestEncodeBound(t *testing.T) {
	s := consumerDocument(t)
	s.Applications[0].Command = []string{strings.Repeat("-", maxStructure)}
	if b, err := s.Encode(); err == nil || !strings.Contains(err.Error(), "can be read back") {
		t.Errorf("wrote %d bytes, %v", len(b), err)
	}
}

// Validating a document costs what reading it did, however many references do
// not hold.
func TestValidateBound(t *testing.T) {
	s := consumerDocument(t)
	sink, app := s.Datasinks[0], &s.Applications[0]
	stranger := *sink.Identity
	stranger.Name = "stranger"
	sink.Identity = &stranger
	for i := range 2000 {
		id := s.Identities[1]
		id.Name = fmt.Sprintf("identity-%d", i)
		s.Identities = append(s.Identities, id)
		sink.Name = fmt.Sprintf("sink-%d", i)
		s.Datasinks = append(s.Datasinks, sink)
		app.Datasinks = append(app.Datasinks, Mount{fmt.Sprintf("nowhere-%d", i), fmt.Sprintf("/mnt/%d", i)})
	}
	var issues []Issue
	var err error
	used := allocated(func() { issues, err = s.Validate(nil) })
	if len(issues) != 4000 || used > 200 {
		t.Errorf("%d issues, %d MiB allocated", len(issues), used)
	}
	if text := fmt.Sprint(err); len(text) > 1<<14 || !strings.Contains(text, "4000 errors") || !strings.HasSuffix(text, "and 3980 more") {
		t.Errorf("an error of %d bytes", len(text))
	}
}

// The discriminator of a union counts by what it says, not by the name of the
// anchor that says it.
func TestUnionThroughAlias(t *testing.T) {
	const text = "identities:\n" +
		"- {name: &AttestationBasedTokenIssuer a, clientId: c, tenantId: t, tokenIssuer: {issuerType: &x FederatedIdentityBasedTokenIssuer, issuer: {protocol: AzureAD_Federated, url: ''}, federatedIdentity: &f {name: b, clientId: '', tenantId: '', tokenIssuer: {issuerType: AttestationBasedTokenIssuer, issuer: {protocol: Attested_OIDC, url: 'https://cgs/oidc'}}}}}\n" +
		"- {name: d, clientId: c, tenantId: t, tokenIssuer: {issuerType: *x, issuer: {protocol: AzureAD_Federated, url: ''}, federatedIdentity: *f}}\n" +
		"datasources: []\ndatasinks: []\napplications: []\n"
	s, err := ParseSpecification([]byte(text))
	must(t, err)
	if got := s.Identities[1].TokenIssuer; got.Type != FederatedIdentityBasedTokenIssuer || got.FederatedIdentity == nil || got.FederatedIdentity.Name != "b" {
		t.Errorf("%+v", got)
	}
}

// A message shows another party's text and never obeys it.
func TestProblemIsPrintable(t *testing.T) {
	_, err := ParseSpecification([]byte(app(`environmentVariables: {"\e[2J\u202ex": 1}`)))
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\u202e") {
		t.Errorf("%q", err)
	}
}

// What is written is read as the same document, whatever the texts are.
func TestEncodeText(t *testing.T) {
	for _, text := range []string{
		"", " ", "yes", "No", "on", "~", "null", "true", "1", "1.0", "0x1f", "010", "1_000", "12:30:45", "2026-01-01", ".inf", "=", "<<",
		"a: b", "a #b", "- a", "[a]", "{a}", "*a", "&a", "!a", "|", ">", "%", "@", "`", "'", `"`, `\`, "a\nb", "a\r\nb", "\t", " a ", "a:", "?",
		"\u0085", "\u2028", "\ufeff", "\u007f", "\u0001", "äöü", "𝕏", "---", "...", strings.Repeat("long ", 100),
	} {
		s := consumerDocument(t)
		s.Applications[0].Command = []string{text}
		s.Applications[0].EnvironmentVariables = Environment{{"Z", text}, {"A", text}}
		b, err := s.Encode()
		must(t, err)
		again, err := ParseSpecification(b)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if !reflect.DeepEqual(again.Applications, s.Applications) {
			t.Errorf("%q: read as %q", text, again.Applications[0].Command)
		}
	}
}

func TestDocumentFiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "consumer-config")
	s := consumerDocument(t)
	must(t, s.WriteFile(file))
	again, err := ReadSpecification(file)
	must(t, err)
	if b1, b2 := encoded(t, s), encoded(t, again); !bytes.Equal(b1, b2) {
		t.Error("the file holds another document")
	}
	if runtime.GOOS != "windows" {
		must(t, os.Chmod(file, 0o600))
	}
	must(t, s.WriteFile(file))
	if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the mode of the file was not kept: %v %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("files left behind: %v, %v", entries, err)
	}
	if err := s.WriteFile(filepath.Join(dir, "absent", "config")); err == nil {
		t.Error("wrote into a folder that does not exist")
	}
	must(t, os.WriteFile(file, []byte("identities: 5\n"), 0o600))
	if _, err := ReadSpecification(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("the error does not name the file: %v", err)
	}
}

func encoded(t testing.TB, s *Specification) []byte {
	t.Helper()
	b, err := s.Encode()
	must(t, err)
	return b
}

func TestConfiguration(t *testing.T) {
	want := map[string]string{"EncryptionMode": "CPK", "KeyType": "KEK"}
	for _, s := range []string{
		"eyJFbmNyeXB0aW9uTW9kZSI6ICJDUEsiLCAiS2V5VHlwZSI6ICJLRUsifQ==",
		`{"EncryptionMode": "CPK", "KeyType": "KEK"}`,
		`{'KeyType': 'KEK', 'EncryptionMode': 'CPK'}`,
		` {'KeyType':"KEK",'EncryptionMode':'CPK',} `,
	} {
		got, err := DecodeConfiguration(s)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	if got := EncodeConfiguration(want); got != "eyJFbmNyeXB0aW9uTW9kZSI6ICJDUEsiLCAiS2V5VHlwZSI6ICJLRUsifQ==" {
		t.Error(got)
	}
	if got, err := DecodeConfiguration(""); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
	for _, s := range []string{
		"{", "}", "{'a'}", "{'a':}", "{'a':1}", "{'a': 'b'", "{'a': 'b'} x", "{'a': 'b' 'c': 'd'}", "{'a': f('b')}", "{'a': 'b', 'a': 'c'}",
		"{'a': b'c'}", `{'a': '\x41'}`, "{'a': '", `{'a': '\`, "{,}", `{"a": 1}`, `{"a": "b", "A": "c"}`, `["a"]`, "e30", "eyJhIjogMX0=", "__import__('os')",
		strings.Repeat("{", 20000), strings.Repeat("A", 1<<20),
	} {
		if got, err := DecodeConfiguration(s); err == nil {
			t.Errorf("%s: accepted as %v", shorten(s, 60), got)
		}
	}
}

func FuzzDecodeConfiguration(f *testing.F) {
	for _, s := range []string{"", "e30=", `{"a": "b"}`, `{'a': 'b\'', "c": "d"}`, "eyJhdXRob3JpdHkiOiAiaHR0cHM6Ly9hIn0="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := DecodeConfiguration(s)
		if err != nil {
			return
		}
		again, err := DecodeConfiguration(EncodeConfiguration(m))
		if err != nil && len(s) < maxConfiguration/8 {
			t.Fatalf("%v is not read back: %v", m, err)
		}
		if err == nil && len(m) != len(again) {
			t.Fatalf("%v became %v", m, again)
		}
	})
}
