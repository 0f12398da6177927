package record_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/internal/browser"
	"github.com/cleanroom-go/sdk/record"
)

// story is a small run with everything in it that a page can show.
func story(denied bool) *record.Record {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	next := func() time.Time { at = at.Add(10 * time.Millisecond); return at }
	call := func(party, method, host, path string, status int) record.Entry {
		return record.Entry{Time: next(), Party: party, Exchange: &record.Exchange{Method: method, Host: host, Path: path, Status: status, Duration: 4 * time.Millisecond, Sent: 10, Received: 2000, NewConnection: status == 401}}
	}
	fact := func(party string, e record.Entry) record.Entry {
		e.Time, e.Party = next(), party
		return e
	}
	const ledger, vault = "l.confidential-ledger.azure.com", "v.vault.azure.net"
	digest := strings.Repeat("ab", 32)
	r := &record.Record{Entries: []record.Entry{
		call("consumer", "POST", ledger, "/gov/members/proposals:create", 200),
		call("consumer", "GET", ledger, "/gov/tx?transaction_id=2.3", 200),
		fact("consumer", record.Entry{Proposal: &record.Proposal{ID: "77", What: "contract", State: "Open"}}),
		fact("consumer", record.Entry{Vote: &record.Vote{ID: "77", State: "Open"}}),
		fact("consumer", record.Entry{Measurement: &record.Measurement{Name: "host data of the generated policy", Value: digest, Size: 4000}}),
		fact("consumer", record.Entry{Step: &record.Step{Text: "contract proposed"}}),
		fact("publisher", record.Entry{Verdict: &record.Verdict{Op: "deployment", Checks: []record.Check{{ID: "template.policy", Passed: true, Want: digest, Got: digest}}}}),
		fact("publisher", record.Entry{Vote: &record.Vote{ID: "77", State: "Accepted"}}),
		fact("publisher", record.Entry{Vote: &record.Vote{ID: "78", What: "logging", Against: true, State: "Rejected"}}),
		fact("publisher", record.Entry{Step: &record.Step{Text: "verified and voted"}}),
		fact("room", record.Entry{Measurement: &record.Measurement{Name: "host data of the room", Value: digest}}),
		call("room", "POST", vault, "/keys/kek/release", 401),
	}}
	if denied {
		r.Entries[10].Measurement.Value = strings.Repeat("cd", 32)
		r.Entries = append(r.Entries,
			call("room", "POST", vault, "/keys/kek/release", 403),
			fact("room", record.Entry{Verdict: &record.Verdict{Op: "skr: release key", By: vault, Denied: true, Checks: []record.Check{{ID: "report.host-data", Want: digest, Got: "another", Remedy: "deploy the accepted template"}}}}))
		return r
	}
	r.Entries = append(r.Entries,
		call("room", "POST", vault, "/keys/kek/release", 200),
		fact("room", record.Entry{Call: &record.Call{To: "database", Text: "SELECT"}}),
		fact("room", record.Entry{Amount: &record.Amount{Name: "output.txt", Value: 521, Unit: "rows"}}),
		fact("room", record.Entry{Amount: &record.Amount{Name: "output.txt", Value: 13164, Unit: "bytes"}}),
		fact("room", record.Entry{Step: &record.Step{Text: "output written"}}))
	return r
}

func html(t *testing.T, r *record.Record) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteHTML(&b, nil); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func mermaid(t *testing.T, r *record.Record) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteMermaid(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestMermaid(t *testing.T) {
	const want = `sequenceDiagram
  actor n0 as consumer
  actor n1 as publisher
  actor n2 as room
  participant n3 as ledger l
  participant n4 as key vault v
  n0->>n3: POST /gov/members/proposals:create → 200
  n0->>n3: GET /gov/tx → 200
  Note right of n0: proposes: contract
  Note right of n0: votes for: 77
  Note over n0: contract proposed
`
	got := mermaid(t, story(true))
	for _, line := range strings.Split(strings.TrimSpace(want), "\n") {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %q in\n%s", line, got)
		}
	}
	for _, line := range []string{
		"  n2->>n4: POST /keys/kek/release → 401\n  n2-xn4: POST /keys/kek/release → 403\n",
		"  Note over n2: DENIED skr: release key, by v.vault.azure.net\n  Note over n2: report.host-data: wanted abababab",
		"  Note right of n1: votes against: logging\n",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("no %q in\n%s", line, got)
		}
	}
}

func TestPage(t *testing.T) {
	done, denied := html(t, story(false)), html(t, story(true))
	for _, part := range []string{
		`<dt>rows</dt><dd>521</dd>`, `<dt>requests</dt><dd>4</dd>`, `contract proposed`, `all 1 passed`, `12.9 KiB`, `<text `, `POST /keys/kek/release  ×2`,
		`publisher ✗ against`, `>Accepted</span>`, `>Rejected</span>`,
	} {
		if !strings.Contains(done, part) {
			t.Errorf("the page has no %s", part)
		}
	}
	for _, part := range []string{`>denied</span>`, `Denied: skr: release key`, `report.host-data`, `deploy the accepted template`, `href="#refused-1"`, `id="refused-1"`, `<g class="bad">`, `<dt>checks failed</dt><dd>1</dd>`, `class="mark bad"`} {
		if !strings.Contains(denied, part) {
			t.Errorf("the page of a denial has no %s", part)
		}
		if strings.Contains(done, part) {
			t.Errorf("the page without a denial has %s", part)
		}
	}
	html(t, &record.Record{})
}

// hostile puts a text into every place of a record.
func hostile(text string) *record.Record {
	r := story(true)
	for i := range r.Entries {
		e := &r.Entries[i]
		e.Party = text + e.Party
		switch {
		case e.Exchange != nil:
			e.Exchange.Method, e.Exchange.Host, e.Exchange.Path, e.Exchange.Request, e.Exchange.Response, e.Exchange.Failure = text, text+e.Exchange.Host, "/"+text, text, text, text
		case e.Step != nil:
			e.Step.Text = text
		case e.Proposal != nil:
			e.Proposal.What, e.Proposal.State = text, text
		case e.Vote != nil:
			e.Vote.What, e.Vote.State = text, text
		case e.Measurement != nil:
			e.Measurement.Name, e.Measurement.Value = text, text+fmt.Sprint(i)
		case e.Verdict != nil:
			e.Verdict.Op, e.Verdict.By = text, text
			for j := range e.Verdict.Checks {
				c := &e.Verdict.Checks[j]
				c.ID, c.Want, c.Got, c.Remedy = text, text, text, text
			}
		}
	}
	r.Entries = append(r.Entries,
		record.Entry{Time: time.Now(), Party: text, Call: &record.Call{To: text, Text: text}},
		record.Entry{Time: time.Now(), Party: text, Amount: &record.Amount{Name: text, Value: -1, Unit: text}})
	return r
}

var attacks = []string{
	`<script>document.title="owned"</script>`,
	`"><img src=x onerror=document.title="owned">`,
	`' onmouseover='document.title=1' x='`,
	`</style><script>document.title="owned"</script>`,
	`</text></svg><script>document.title="owned"</script>`,
	`{{.Title}}`,
	`<!--`,
	`javascript:document.title="owned"`,
	`url(https://attacker.example/x)`,
	"x\nn0->>n1: forged;\n  Note over n0: forged",
	`%%{init: {"securityLevel":"loose"}}%% end; click n0 "javascript:alert(1)"`,
}

// tag finds what begins an element or an attribute that runs.
var tag = regexp.MustCompile(`(?i)<\s*(script|img|iframe|object|embed|link|base|form|foreignobject|use|animate|a\s+href="[^#])|<[^>"]*\son\w+\s*=`)

func TestHostileTexts(t *testing.T) {
	for _, attack := range attacks {
		r := hostile(attack)
		// As it comes out of a file, which bounds the texts, and as it is.
		page := html(t, r)
		if found := tag.FindString(page); found != "" {
			t.Errorf("%q: the page has %s", attack, found)
		}
		if strings.Count(page, "<style>") != 1 || strings.Count(page, "</style>") != 1 {
			t.Errorf("%q leaves the style", attack)
		}
		for i, line := range strings.Split(strings.TrimSuffix(mermaid(t, r), "\n"), "\n") {
			if i > 0 && !statement.MatchString(line) {
				t.Errorf("%q makes the statement %q", attack, line)
			}
		}
	}
}

// statement is what a line of a diagram may be; the text has none of the marks
// that Mermaid obeys.
var statement = regexp.MustCompile("^  (actor|participant) n\\d+ as ([^;#<>&\"`%{}\\\\]|#\\d+;)+$|^  (n\\d+(->>|-x)n\\d+|Note over n\\d+|Note right of n\\d+): ([^;#<>&\"`%{}\\\\]|#\\d+;)+$")

// FuzzPage: whatever a file of another party holds, the page is one page.
func FuzzPage(f *testing.F) {
	for _, attack := range attacks {
		f.Add(fmt.Sprintf(`{"party":%q,"exchange":{"method":%q,"host":%q,"path":%q,"sent":-9,"received":1,"duration":-5}}`+"\n", attack, attack, attack, attack))
		f.Add(fmt.Sprintf(`{"time":"9999-12-31T23:59:59Z","verdict":{"op":%q,"denied":true,"checks":[{"id":%q}]}}`+"\n", attack, attack))
	}
	f.Add(`{"omitted":3}` + "\n" + `{"step":{"text":"x"}}` + "\n")
	f.Fuzz(func(t *testing.T, file string) {
		r, err := record.Read(strings.NewReader(file))
		if err != nil {
			return
		}
		page := html(t, r)
		if found := tag.FindString(page); found != "" || strings.Count(page, "</style>") != 1 {
			t.Errorf("the page has %q", found)
		}
		for i, line := range strings.Split(strings.TrimSuffix(mermaid(t, r), "\n"), "\n") {
			if i > 0 && !statement.MatchString(line) {
				t.Errorf("the statement %q", line)
			}
		}
	})
}

// TestLargePage: a page stays one that can be opened.
func TestLargePage(t *testing.T) {
	r := &record.Record{Omitted: 7}
	for i := range 20_000 {
		r.Entries = append(r.Entries, record.Entry{Time: time.Unix(int64(i), 0), Party: "p", Exchange: &record.Exchange{Method: "GET", Host: fmt.Sprintf("h%d.example", i%7), Path: "/", Status: 200}})
	}
	page := html(t, r)
	for _, part := range []string{"18500 more arrows", "17000 more exchanges", "7 entries were left out", "<dt>requests</dt><dd>20000</dd>"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page does not say %q", part)
		}
	}
	if len(page) > 4<<20 {
		t.Errorf("the page has %d bytes", len(page))
	}
}

// TestBrowser opens the pages in a real browser, as files: wide and narrow,
// light and dark, with and without a denial, and with texts that attack.
func TestBrowser(t *testing.T) {
	b := browser.Start(t)
	dir := t.TempDir()
	pages := map[string]*record.Record{"done": story(false), "denied": story(true), "empty": {}}
	for i, attack := range attacks {
		pages[fmt.Sprintf("attack %d", i)] = hostile(attack)
	}
	ran := 0
	for name, r := range pages {
		file := filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".html")
		if err := os.WriteFile(file, []byte(html(t, r)), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, width := range []int{1440, 390} {
			for _, scheme := range []string{"light", "dark"} {
				b.Open(file, width, 900, scheme)
				ran++
				if said := b.Complaints(); len(said) > 0 {
					t.Errorf("%s, %d wide: the console says %q", name, width, said)
				}
				if fetched := b.Fetched(); len(fetched) != 1 {
					t.Errorf("%s, %d wide: it fetches %q", name, width, fetched)
				}
				var page struct {
					Title           string
					Width           int
					Scripts, Images int
					Paper           string
				}
				b.Eval(&page, `({title: document.title, width: document.documentElement.scrollWidth, scripts: document.scripts.length,
					images: document.images.length, paper: getComputedStyle(document.documentElement).backgroundColor})`)
				if page.Width > width || page.Scripts != 0 || page.Images != 0 || !strings.HasPrefix(page.Title, "Clean room run") {
					t.Errorf("%s, %d wide: %+v", name, width, page)
				}
				if want := map[string]string{"light": "rgb(251, 251, 249)", "dark": "rgb(18, 22, 28)"}[scheme]; page.Paper != want {
					t.Errorf("%s, %s: the paper is %s", name, scheme, page.Paper)
				}
				var denial bool
				b.Eval(&denial, `(() => { const d = document.querySelector(".denial"); if (!d) return false;
					const r = d.getBoundingClientRect(); return r.width > 100 && r.height > 50 && r.top < innerHeight; })()`)
				if want := name != "done" && name != "empty"; denial != want {
					t.Errorf("%s, %d wide: a denial in the first window: %t", name, width, denial)
				}
			}
		}
		if png := b.Screenshot(); !bytes.HasPrefix(png, []byte("\x89PNG")) {
			t.Errorf("%s: no picture", name)
		}
	}
	if want := 4 * (3 + len(attacks)); ran != want {
		t.Errorf("%d pages were looked at, want %d", ran, want)
	}
}

// TestContrast: each text can be read, in both schemes, by the rule of WCAG 2
// for small text (4.5 to 1).
func TestContrast(t *testing.T) {
	b := browser.Start(t)
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, []byte(html(t, story(true))), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"light", "dark"} {
		b.Open(file, 1440, 900, scheme)
		var bad []string
		b.Eval(&bad, contrast)
		if len(bad) > 0 {
			t.Errorf("%s: %q", scheme, bad)
		}
	}
}

// contrast lists the elements whose text is too close to what is behind it.
const contrast = `(() => {
	const rgb = s => (s.match(/[\d.]+/g) || []).map(Number);
	const light = c => { const l = c.slice(0, 3).map(v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * l[0] + .7152 * l[1] + .0722 * l[2]; };
	const bad = [];
	for (const e of document.querySelectorAll("body *:not(svg *)")) {
		if (![...e.childNodes].some(n => n.nodeType == 3 && n.data.trim())) continue;
		let behind = e, back;
		for (; behind; behind = behind.parentElement) { back = rgb(getComputedStyle(behind).backgroundColor); if (back.length == 3 || back[3] > 0) break; }
		const a = light(rgb(getComputedStyle(e).color)), z = light(back);
		const ratio = (Math.max(a, z) + .05) / (Math.min(a, z) + .05);
		if (ratio < 4.5) bad.push(e.tagName + "." + e.className + " " + ratio.toFixed(2) + " " + e.textContent.slice(0, 20));
	}
	return bad;
})()`
