// Package browser drives a headless Chromium for tests of pages: it opens a
// file, says what the page complained about and fetched, and evaluates
// expressions in it. It speaks the DevTools protocol over a pair of pipes, so
// that no port is opened.
package browser

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// Require is the environment variable that makes a missing Chromium a failure.
const Require = "CLEANROOM_REQUIRE_CHROMIUM"

// Browser is a running Chromium with one page.
type Browser struct {
	t       *testing.T
	cmd     *exec.Cmd
	out     io.WriteCloser
	session string

	write   sync.Mutex
	mu      sync.Mutex
	last    int
	waiting map[int]chan message
	loaded  chan struct{}
	// Complaints are the errors and warnings of the console, Fetched the
	// addresses that were asked for.
	complaints, fetched []string
}

type message struct {
	ID        int             `json:"id,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    any             `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
	raw json.RawMessage
}

// patience bounds everything that is waited for.
const patience = time.Minute

// Start starts Chromium for a test, and skips the test where there is none,
// unless CLEANROOM_REQUIRE_CHROMIUM is set. CLEANROOM_CHROMIUM names a program
// in an unusual place.
func Start(t *testing.T) *Browser {
	t.Helper()
	program := find()
	switch {
	case program == "" && os.Getenv(Require) != "":
		t.Fatal("there is no chromium in PATH")
	case program == "":
		t.Skip("there is no chromium in PATH; CLEANROOM_CHROMIUM names one elsewhere")
	}
	profile, err := os.MkdirTemp("", "browser-")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{
		"--headless", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--remote-debugging-pipe", "--user-data-dir=" + profile, "about:blank",
	}
	if os.Geteuid() == 0 {
		args = append([]string{"--no-sandbox"}, args...) // its sandbox refuses root
	}
	fromUs, toBrowser, err1 := os.Pipe()
	fromBrowser, toUs, err2 := os.Pipe()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	b := &Browser{t: t, cmd: exec.Command(program, args...), out: toBrowser, waiting: map[int]chan message{}, loaded: make(chan struct{}, 1)}
	b.cmd.ExtraFiles = []*os.File{fromUs, toUs} // 3 and 4 there
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = fromUs.Close(), toUs.Close() // the browser has them
	go b.listen(fromBrowser)
	t.Cleanup(func() {
		_ = b.send(message{ID: -1, Method: "Browser.close"}) // or it has crashed
		timer := time.AfterFunc(patience, func() { _ = b.cmd.Process.Kill() })
		_ = b.cmd.Wait()
		timer.Stop()
		_, _ = toBrowser.Close(), fromBrowser.Close()
		_ = os.RemoveAll(profile) // helpers of the browser may still write
	})
	var target struct{ TargetID string }
	b.call(&target, "Target.createTarget", map[string]any{"url": "about:blank"})
	var attached struct{ SessionID string }
	b.call(&attached, "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true})
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.call(nil, domain+".enable", nil)
	}
	return b
}

func find() string {
	if runtime.GOOS == "windows" {
		return "" // processes there inherit no pipes by number
	}
	if name := os.Getenv("CLEANROOM_CHROMIUM"); name != "" {
		return name
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// Open opens a file in a window of this size and scheme, "light" or "dark".
func (b *Browser) Open(file string, width, height int, scheme string) {
	b.t.Helper()
	absolute, err := filepath.Abs(file)
	if err != nil {
		b.t.Fatal(err)
	}
	b.mu.Lock()
	b.complaints, b.fetched = nil, nil
	b.mu.Unlock()
	b.call(nil, "Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700})
	b.call(nil, "Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}})
	var navigated struct{ ErrorText string }
	b.call(&navigated, "Page.navigate", map[string]any{"url": "file://" + filepath.ToSlash(absolute)})
	if navigated.ErrorText != "" {
		b.t.Fatalf("open %s: %s", file, navigated.ErrorText)
	}
	select {
	case <-b.loaded:
	case <-time.After(patience):
		b.t.Fatalf("open %s: it does not end loading", file)
	}
}

// Eval evaluates an expression in the page and decodes its value into v.
func (b *Browser) Eval(v any, expression string) {
	b.t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct{ Text string }
	}
	b.call(&answer, "Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true})
	if answer.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, answer.ExceptionDetails.Text)
	}
	if err := json.Unmarshal(answer.Result.Value, v); err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
}

// Screenshot is a picture of the whole page, in PNG.
func (b *Browser) Screenshot() []byte {
	b.t.Helper()
	var answer struct{ Data string }
	b.call(&answer, "Page.captureScreenshot", map[string]any{"captureBeyondViewport": true})
	png, err := base64.StdEncoding.DecodeString(answer.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	return png
}

// Complaints are the errors and warnings of the console since Open.
func (b *Browser) Complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.complaints...)
}

// Fetched are the addresses that the page asked for since Open, its own first.
func (b *Browser) Fetched() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.fetched...)
}

func (b *Browser) call(v any, method string, params any) {
	b.t.Helper()
	b.mu.Lock()
	b.last++
	id, answer := b.last, make(chan message, 1)
	b.waiting[id] = answer
	b.mu.Unlock()
	if err := b.send(message{ID: id, SessionID: b.session, Method: method, Params: params}); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	select {
	case m := <-answer:
		if m.Error != nil {
			b.t.Fatalf("%s: %s", method, m.Error.Message)
		}
		if v != nil {
			if err := json.Unmarshal(m.Result, v); err != nil {
				b.t.Fatalf("%s: %v", method, err)
			}
		}
	case <-time.After(patience):
		b.t.Fatalf("%s: the browser does not answer", method)
	}
}

func (b *Browser) send(m message) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	b.write.Lock()
	defer b.write.Unlock()
	_, err = b.out.Write(append(text, 0))
	return err
}

func (b *Browser) listen(r io.Reader) {
	in := bufio.NewReader(r)
	for {
		text, err := in.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(text[:len(text)-1], &m) != nil {
			continue
		}
		m.raw = text[:len(text)-1]
		b.mu.Lock()
		if answer := b.waiting[m.ID]; m.ID != 0 && answer != nil {
			delete(b.waiting, m.ID)
			answer <- m
		} else {
			b.event(m)
		}
		b.mu.Unlock()
	}
}

// event notes what a page must not do.
func (b *Browser) event(m message) {
	var e struct {
		Params struct {
			Type    string
			Entry   struct{ Level, Text string }
			Request struct{ URL string }
		}
	}
	if json.Unmarshal(m.raw, &e) != nil {
		return
	}
	p := e.Params
	switch m.Method {
	case "Page.loadEventFired":
		select {
		case b.loaded <- struct{}{}:
		default:
		}
	case "Network.requestWillBeSent":
		b.fetched = append(b.fetched, p.Request.URL)
	case "Runtime.exceptionThrown":
		b.complaints = append(b.complaints, fmt.Sprintf("exception: %s", m.raw))
	case "Runtime.consoleAPICalled":
		b.complaints = append(b.complaints, fmt.Sprintf("%s: %s", p.Type, m.raw))
	case "Log.entryAdded":
		if p.Entry.Level == "error" || p.Entry.Level == "warning" {
			b.complaints = append(b.complaints, p.Entry.Level+": "+p.Entry.Text)
		}
	}
}
