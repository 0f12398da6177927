package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/internal/browser"
	"github.com/cleanroom-go/sdk/record"
)

// reported runs the demo with a report and reads that.
func reported(t *testing.T, code int, args ...string) (file, page string) {
	t.Helper()
	needDatabase(t)
	file = filepath.Join(t.TempDir(), "report.html")
	r := runToEnd(t, demo(t, nil, append(args, "-out", t.TempDir(), "-report", file)...))
	r.want(t, code, file)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if names := list(t, filepath.Dir(file)); len(names) != 1 {
		t.Errorf("beside the report lie %q", names)
	}
	return file, string(b)
}

// look opens a report wide and narrow: no complaint, nothing fetched, nothing
// wider than the window, and the denial, if there is one, at first sight.
func look(t *testing.T, b *browser.Browser, file string, denied bool) {
	t.Helper()
	for _, width := range []int{1440, 390} {
		b.Open(file, width, 900, "light")
		var page struct {
			Width, Arrows int
			Denial        bool
		}
		b.Eval(&page, `(() => { const d = document.querySelector(".denial"), r = d && d.getBoundingClientRect();
			return { width: document.documentElement.scrollWidth, arrows: document.querySelectorAll(".stage svg line").length,
				denial: !!r && r.width > 200 && r.height > 80 && r.top < innerHeight }; })()`)
		if page.Width > width || page.Arrows < 20 || page.Denial != denied {
			t.Errorf("%d wide: %+v", width, page)
		}
		if said, fetched := b.Complaints(), b.Fetched(); len(said) > 0 || len(fetched) != 1 {
			t.Errorf("%d wide: the console says %q, fetched is %q", width, said, fetched)
		}
	}
}

// TestReport: the page shows what every process of the run did.
func TestReport(t *testing.T) {
	file, page := reported(t, 0)
	for _, part := range []string{
		">publisher</span>", ">consumer</span>", ">room</span>", ">operator</span>", "<dd>521</dd>", "POST /attest/SevSnpVm", "/release", "PostgreSQL", "sharedneu.neu.attest.azure.net",
		"container group launched", "clean room policy", "publisher ✓ for", ">Accepted</span>", "host data of the launched room", "all 12 passed", "output.txt, decrypted", "sequenceDiagram",
	} {
		if !strings.Contains(page, part) {
			t.Errorf("the report has no %s", part)
		}
	}
	if strings.Contains(page, "denied</span>") || strings.Contains(page, `mark bad`) {
		t.Error("the report shows a denial or another host data")
	}
	look(t, browser.Start(t), file, false)
}

// TestReportsOfDenials: each denial is in its report.
func TestReportsOfDenials(t *testing.T) {
	for _, c := range denials {
		t.Run(c, func(t *testing.T) {
			file, page := reported(t, 3, "-deny", c)
			for _, part := range []string{">denied</span>", "case " + c, "<dt>wanted</dt>", "<dt>do</dt>", `id="refused-1"`} {
				if !strings.Contains(page, part) {
					t.Errorf("the report has no %s", part)
				}
			}
			look(t, browser.Start(t), file, true)
		})
	}
}

func TestBadReport(t *testing.T) {
	dir := t.TempDir()
	runToEnd(t, demo(t, nil, "-report", dir)).wantLine(t, 1, "-report", dir, "not a file")
	runToEnd(t, demo(t, nil, "-report", filepath.Join(dir, "none", "r.html"))).wantLine(t, 1, "-report", "no folder")
	runToEnd(t, demo(t, nil, "-report", "")).wantLine(t, 2, "-report is empty")
}

// TestReportHasNoSecrets takes every secret of a run from where it lies and
// looks for it, in each form, in the records and in the page.
func TestReportHasNoSecrets(t *testing.T) {
	s := prepared(t, func(c *config) { c.report = filepath.Join(t.TempDir(), "report.html") })
	if err := s.room(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.writeReport(); err != nil {
		t.Fatal(err)
	}
	secrets := map[string][]byte{"password": bytes.Clone(s.db.Password)}
	files := 0
	for _, party := range []string{cleanroomtest.Publisher, cleanroomtest.Consumer} {
		// Keys of members and data keys: all files that only the party may read.
		err := filepath.WalkDir(s.path(party), func(name string, d fs.DirEntry, err error) error {
			info, infoErr := d.Info()
			if err != nil || infoErr != nil || d.IsDir() || filepath.Ext(name) == ".mode" || info.Mode().Perm()&0o077 != 0 {
				return err
			}
			files++
			b, err := os.ReadFile(name)
			for i, line := range bytes.Split(b, []byte("\n")) {
				if i > 0 || len(b) < 100 { // the first line of PEM is a name
					secrets[name] = append(secrets[name], line...)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range wrapped(t, s, party) {
			secrets[party+"'s "+name] = []byte(value)
		}
	}
	for _, who := range []string{"publisher", "consumer", "room"} {
		b, err := os.ReadFile(s.path(who + ".join.json"))
		if err != nil {
			t.Fatal(err)
		}
		for i, secret := range joinSecrets(t, b) {
			secrets[who+"'s account "+string(rune('0'+i))] = []byte(secret)
		}
	}
	if files < 4 || len(secrets) < 10 {
		t.Fatalf("found %d files and %d secrets", files, len(secrets))
	}
	outputs := map[string]string{"operator": s.recorded.String()}
	for _, name := range []string{s.config.report, s.recordFile("publisher"), s.recordFile("consumer"), s.recordFile("room")} {
		b, err := os.ReadFile(name)
		if err != nil || len(b) < 1000 {
			t.Fatalf("%s: %d bytes, %v", name, len(b), err)
		}
		outputs[filepath.Base(name)] = string(b)
	}
	for where, text := range outputs {
		for name, secret := range secrets {
			if len(secret) < 8 {
				t.Fatalf("%s is no secret: %d bytes", name, len(secret))
			}
			for _, form := range []string{string(secret), hex.EncodeToString(secret), base64.StdEncoding.EncodeToString(secret)[:8], base64.RawURLEncoding.EncodeToString(secret)[:8], string(secret[:min(len(secret), 64)])} {
				if strings.Contains(text, form) {
					t.Errorf("%s shows %s", where, name)
				}
			}
		}
		if strings.Contains(text, "eyJ") { // with which each token begins
			t.Errorf("%s shows a token", where)
		}
	}
	if _, err := record.Read(strings.NewReader(outputs["room.record"])); err != nil {
		t.Error(err)
	}
}

// wrapped are the values in a party's vault.
func wrapped(t *testing.T, s *scenario, name string) map[string]string {
	t.Helper()
	party, err := s.env.Party(name)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := s.env.Connect(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client, err := azsecrets.NewClient(party.VaultURL, conn.Credential(), &azsecrets.ClientOptions{ClientOptions: conn.ClientOptions()})
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for _, secret := range map[string][]string{
		cleanroomtest.Publisher: {"publisher-db-password", "wrapped-publisher-logs-dek-publisher-kek"},
		cleanroomtest.Consumer:  {"wrapped-consumer-output-dek-consumer-kek"},
	}[name] {
		answer, err := client.GetSecret(t.Context(), secret, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		values[secret] = *answer.Value
	}
	return values
}

// joinSecrets are the values named "secret" or "Secret" in a join file.
func joinSecrets(t *testing.T, b []byte) []string {
	t.Helper()
	var tree any
	if err := json.Unmarshal(b, &tree); err != nil {
		t.Fatal(err)
	}
	var found []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, value := range v {
				if text, ok := value.(string); ok && strings.EqualFold(name, "secret") {
					found = append(found, text)
				}
				walk(value)
			}
		case []any:
			for _, value := range v {
				walk(value)
			}
		}
	}
	walk(tree)
	return found
}
