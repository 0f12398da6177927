package snp

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// kernel is a guest driver: it answers by the contents of the buffers alone.
type kernel struct {
	calls    int
	failures []func(payload []byte) error
	status   uint32
	size     uint32
	report   func(reportData [64]byte) []byte
	before   func()
	payload  []byte // of the last call, as it came
}

func (k *kernel) device(_ *driver, payload, request, response []byte) error {
	k.calls++
	k.payload = bytes.Clone(payload)
	if k.before != nil {
		k.before()
	}
	if len(request) != 96 || !bytes.Equal(request[64:], make([]byte, 32)) {
		return syscall.EINVAL
	}
	if len(k.failures) > 0 {
		fail := k.failures[0]
		k.failures = k.failures[1:]
		return fail(payload)
	}
	binary.LittleEndian.PutUint32(response, k.status)
	binary.LittleEndian.PutUint32(response[4:], k.size)
	if k.status == 0 {
		copy(response[32:], k.report([64]byte(request)))
	}
	return nil
}

func fails(err error) func([]byte) error { return func([]byte) error { return err } }

// The arguments that the two kernels read, byte for byte.
func TestDriverPayloads(t *testing.T) {
	for path, want := range map[string]struct {
		code     uint32
		payload  string
		response int
	}{
		"/dev/sev":       {3223868161, "05060100" + "6000" + "0000" + "0000000000000000" + "0005" + "000000000000" + "0000000000000000" + "00000000" + "00000000", 1280},
		"/dev/sev-guest": {3223343872, "0100000000000000" + "0000000000000000" + "0000000000000000" + "0000000000000000", 4000},
		"/tmp/other":     {3223343872, "0100000000000000" + "0000000000000000" + "0000000000000000" + "0000000000000000", 4000},
	} {
		d := driverOf(path)
		if d.code != want.code || hex.EncodeToString(d.payload) != want.payload || d.responseSize != want.response {
			t.Errorf("%s: code %x, payload %x, response %d", path, d.code, d.payload, d.responseSize)
		}
		// The size is a part of an ioctl's number.
		if int(d.code>>16&0x3fff) != len(d.payload) {
			t.Errorf("%s: the payload has %d bytes", path, len(d.payload))
		}
		k := &kernel{report: func(data [64]byte) []byte { return append(make([]byte, offReportData), data[:]...) }}
		var data [64]byte
		data[0], data[63] = 7, 9
		raw, err := newGuest(path, k.device).report(t.Context(), data)
		if err != nil || len(raw) != ReportSize || [64]byte(raw[offReportData:]) != data {
			t.Errorf("%s: %d bytes, %v", path, len(raw), err)
		}
		if hex.EncodeToString(k.payload) != want.payload {
			t.Errorf("%s: the call had %x", path, k.payload)
		}
	}
}

func TestFindDevice(t *testing.T) {
	dir := t.TempDir()
	five, six := filepath.Join(dir, "sev"), filepath.Join(dir, "sev-guest")
	if got := findDevice(five, six); got != six {
		t.Errorf("with neither: %s", got)
	}
	write(t, dir, "sev-guest", "")
	if got := findDevice(five, six); got != six {
		t.Errorf("with the newer: %s", got)
	}
	write(t, dir, "sev", "")
	if got := findDevice(five, six); got != five {
		t.Errorf("with both: %s", got)
	}
	// What cannot be looked at is there.
	if got := findDevice(filepath.Join(six, "sev"), six); !strings.HasSuffix(got, "sev-guest/sev") {
		t.Errorf("behind a file: %s", got)
	}
}

func TestFirmwareAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		kernel kernel
		want   string
	}{
		"parameters": {kernel{status: 0x16}, "parameters"},
		"key":        {kernel{status: 0x27}, "key"},
		"other":      {kernel{status: 0x99}, "0x99"},
		"size":       {kernel{size: 1000, report: func([64]byte) []byte { return nil }}, "1000 bytes"},
		"firmware":   {kernel{failures: []func([]byte) error{func(p []byte) error { p[24] = 0x16; return syscall.EIO }}}, "firmware error 0x16"},
		"locked":     {kernel{failures: []func([]byte) error{fails(syscall.ENOTTY)}}, "start the container group again"},
		"forbidden":  {kernel{failures: []func([]byte) error{fails(syscall.EACCES)}}, "user"},
	} {
		g := newGuest(device6, tc.kernel.device)
		g.wait = func(context.Context, time.Duration) error { t.Errorf("%s: waited", name); return nil }
		if _, err := g.report(t.Context(), [64]byte{}); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
		if tc.kernel.calls != 1 {
			t.Errorf("%s: %d calls", name, tc.kernel.calls)
		}
	}
}

// What is only busy is asked again, with growing waits that a context ends.
func TestBusyDevice(t *testing.T) {
	hostIsBusy := func(p []byte) error { p[28] = hostBusy; return syscall.EIO }
	busy := []func([]byte) error{fails(syscall.EBUSY), fails(syscall.EAGAIN), fails(syscall.EINTR), hostIsBusy}
	good := func([64]byte) []byte { return nil }

	k := &kernel{failures: busy, report: good}
	g := newGuest(device6, k.device)
	var waits []time.Duration
	g.wait = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
	if _, err := g.report(t.Context(), [64]byte{}); err != nil || k.calls != 5 || len(waits) != 4 {
		t.Errorf("%v, %d calls, waits %v", err, k.calls, waits)
	}
	for i, d := range waits {
		if limit := firstDelay << i; d < limit/2 || d > limit {
			t.Errorf("wait %d is %v, want %v to %v", i, d, limit/2, limit)
		}
	}

	k = &kernel{report: good}
	for range 100 {
		k.failures = append(k.failures, fails(syscall.EBUSY))
	}
	g = newGuest(device6, k.device)
	waits = nil
	g.wait = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
	if _, err := g.report(t.Context(), [64]byte{}); !errors.Is(err, syscall.EBUSY) || k.calls != maxAttempts {
		t.Errorf("always busy: %v, %d calls", err, k.calls)
	}
	for _, d := range waits {
		if d > maxDelay {
			t.Errorf("wait of %v", d)
		}
	}

	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	k.calls, g.wait = 0, func(ctx context.Context, _ time.Duration) error { cancel(cause); return context.Cause(ctx) }
	if _, err := g.report(ctx, [64]byte{}); !errors.Is(err, cause) || !errors.Is(err, syscall.EBUSY) || k.calls != 1 {
		t.Errorf("given up: %v, %d calls", err, k.calls)
	}
	if err := sleep(ctx, time.Hour); !errors.Is(err, cause) {
		t.Errorf("sleep: %v", err)
	}
	if err := sleep(t.Context(), time.Nanosecond); err != nil {
		t.Error(err)
	}
}

// A call into the driver cannot be broken off, but nobody has to wait for it,
// and none begins beside it.
func TestHangingDevice(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	running := 0
	k := &kernel{report: func([64]byte) []byte { return nil }}
	k.before = func() {
		if running++; running > 1 {
			t.Error("two calls at once")
		}
		entered <- struct{}{}
		<-leave
		running--
	}
	g := newGuest(device6, k.device)
	cause := errors.New("enough")
	ask := func() (context.CancelCauseFunc, chan error) {
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := g.report(ctx, [64]byte{})
			done <- err
		}()
		return cancel, done
	}
	cancel, first := ask()
	<-entered
	cancel(cause)
	if err := <-first; !errors.Is(err, cause) {
		t.Errorf("the first: %v", err)
	}
	cancel, second := ask()
	cancel(cause)
	if err := <-second; !errors.Is(err, cause) {
		t.Errorf("the second: %v", err)
	}
	cancel, third := ask()
	defer cancel(nil)
	leave <- struct{}{}
	<-entered
	leave <- struct{}{}
	if err := <-third; err != nil {
		t.Errorf("the third: %v", err)
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

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestSecurityContextIsFound(t *testing.T) {
	root := t.TempDir()
	named := filepath.Join(root, "a-security-context-4711")
	elsewhere := filepath.Join(root, "elsewhere")
	for _, dir := range []string{named, elsewhere} {
		write(t, dir, endorsementFile, "0oRA\n")
		write(t, dir, hostCertFile, base64Lines([]byte(`{"file":1}`)))
		write(t, dir, policyFile, base64Lines([]byte("package policy")))
	}
	certsAlone := filepath.Join(root, "certs-alone")
	write(t, certsAlone, hostCertFile, base64Lines([]byte(`{"file":1}`)))
	write(t, certsAlone, endorsementFile, " \n")
	variables := env(endorsementVariable, "0oRB", hostCertVariable, base64Lines([]byte(`{"env":1}`)), policyVariable, base64Lines([]byte("package env")))
	for name, tc := range map[string]struct {
		opts               SecurityContextOptions
		uvm, certs, policy string
	}{
		"option":          {SecurityContextOptions{Dir: elsewhere, Getenv: env()}, "\xd2\x84@", `{"file":1}`, "package policy"},
		"variable":        {SecurityContextOptions{Getenv: env(contextVariable, elsewhere)}, "\xd2\x84@", `{"file":1}`, "package policy"},
		"root":            {SecurityContextOptions{root: root, Getenv: env()}, "\xd2\x84@", `{"file":1}`, "package policy"},
		"files first":     {SecurityContextOptions{Dir: elsewhere, Getenv: variables}, "\xd2\x84@", `{"file":1}`, "package policy"},
		"variables":       {SecurityContextOptions{Dir: t.TempDir(), Getenv: variables}, "\xd2\x84A", `{"env":1}`, "package env"},
		"old host":        {SecurityContextOptions{Dir: certsAlone, Getenv: variables}, "\xd2\x84A", `{"env":1}`, "package env"},
		"no endorsements": {SecurityContextOptions{Dir: certsAlone, Getenv: env()}, "", `{"file":1}`, ""},
		"policy variable": {SecurityContextOptions{Dir: certsAlone, Getenv: env(policyVariable, "eA==")}, "", `{"file":1}`, "x"},
		"nothing":         {SecurityContextOptions{Dir: t.TempDir(), Getenv: env()}, "", "", ""},
	} {
		c, err := ReadSecurityContext(&tc.opts)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if string(c.UVMEndorsements) != tc.uvm || string(c.HostCertificates) != tc.certs || string(c.Policy) != tc.policy {
			t.Errorf("%s: %q %q %q", name, c.UVMEndorsements, c.HostCertificates, c.Policy)
		}
	}
	if dir := (&SecurityContextOptions{root: t.TempDir(), Getenv: env()}).directory(); dir != contextFallback {
		t.Errorf("fallback %s", dir)
	}
	for name, file := range map[string]string{"endorsement": endorsementFile, "certificates": hostCertFile, "policy": policyFile} {
		for problem, text := range map[string]string{"no base64": "!", "too long": strings.Repeat("A", maxContextFile+1)} {
			dir := t.TempDir()
			write(t, dir, file, text)
			if _, err := ReadSecurityContext(&SecurityContextOptions{Dir: dir, Getenv: env()}); err == nil || !strings.Contains(err.Error(), file) {
				t.Errorf("%s, %s: %v", name, problem, err)
			}
		}
	}
	if _, err := ReadSecurityContext(&SecurityContextOptions{Dir: t.TempDir(), Getenv: env(policyVariable, strings.Repeat("A", maxContextFile+1))}); err == nil {
		t.Error("a variable without end was read")
	}
	t.Setenv(contextVariable, elsewhere)
	if c, err := ReadSecurityContext(nil); err != nil || c.Dir != elsewhere {
		t.Errorf("from the environment: %v", err)
	}
}

// device makes an attester of a chip whose reports can be spoiled.
func (c *chip) attester(t testing.TB, dir string, report func([64]byte) ([]byte, error)) *attester {
	opts := SecurityContextOptions{Dir: dir, Getenv: env()}
	if report == nil {
		report = func(data [64]byte) ([]byte, error) {
			return c.report(t, nil, func(b []byte) { copy(b[offReportData:], data[:]) }), nil
		}
	}
	return &attester{context: opts, source: HostChain(&opts), report: func(_ context.Context, data [64]byte) ([]byte, error) { return report(data) }}
}

func TestAttest(t *testing.T) {
	c, _ := twoChips(t)
	dir := t.TempDir()
	write(t, dir, hostCertFile, base64Lines(c.hostDocument(nil)))
	write(t, dir, endorsementFile, base64Lines(testBuilder().older(nil)))
	write(t, dir, policyFile, "!") // not used here
	a := c.attester(t, dir, nil)
	ev, err := a.Attest(t.Context(), []byte(`{"keys":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.verifier(t, nil).Verify(ev); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(ev.Certificates, c.chain) {
		t.Errorf("certificates are not VCEK, ASK and ARK:\n%s", ev.Certificates)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Attest(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, endorsementFile)); err != nil {
		t.Fatal(err)
	}
	if ev, err := a.Attest(t.Context(), nil); err != nil || ev.UVMEndorsements != nil {
		t.Errorf("without endorsements: %v", err)
	}
}

func TestAttestFailures(t *testing.T) {
	c, other := twoChips(t)
	doc := func(edit func(map[string]string)) string { return base64Lines(c.hostDocument(edit)) }
	set := func(name, value string) string { return doc(func(d map[string]string) { d[name] = value }) }
	docs := map[string]struct{ text, want string }{
		"no certificates": {"", "confidential container"},
		"no base64":       {"!", "illegal base64"},
		"no JSON":         {base64Lines([]byte("x")), "invalid character"},
		"tcbm with 0x":    {set("tcbm", "0xDB08000000000003"), "tcbm"},
		"signed tcbm":     {set("tcbm", "+B08000000000003"), "tcbm"},
		"no tcbm":         {set("tcbm", ""), "tcbm"},
		"no VCEK":         {set("vcekCert", ""), "VCEK"},
		"no chain":        {set("certificateChain", ""), "lacks ASK"},
		"another's chain": {set("certificateChain", string(other.trustPEM)), "not signed by the ASK"},
		"two VCEKs":       {doc(func(d map[string]string) { d["certificateChain"] += d["vcekCert"] }), "two certificates"},
		"old tcbm":        {set("tcbm", "7308000000000003"), "host was updated"},
		"old VCEK": {doc(func(d map[string]string) {
			old := fixedChip(t)
			old.tcb[6]--
			d["vcekCert"] = pemOf(old.issue(old.extensions(old.tcb)))
		}), "host was updated"},
		"another's VCEK": {doc(func(d map[string]string) {
			o := fixedChip(t)
			o.id[0]++
			d["vcekCert"] = pemOf(o.issue(o.extensions(o.tcb)))
		}), "another processor"},
		"tcbm of capitals": {set("tcbm", "DB08000000000003"), ""},
		"small letters":    {set("tcbm", "db08000000000003"), ""},
	}
	for name, tc := range docs {
		dir := t.TempDir()
		write(t, dir, hostCertFile, tc.text)
		_, err := c.attester(t, dir, nil).Attest(t.Context(), []byte("{}"))
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	write(t, dir, hostCertFile, doc(nil))
	broken := errors.New("firmware says no")
	for name, report := range map[string]func([64]byte) ([]byte, error){
		"device error": func([64]byte) ([]byte, error) { return nil, broken },
		"short report": func([64]byte) ([]byte, error) { return make([]byte, 8), nil },
		"other data":   func([64]byte) ([]byte, error) { return c.report(t, []byte("other"), nil), nil },
	} {
		if _, err := c.attester(t, dir, report).Attest(t.Context(), []byte("{}")); err == nil {
			t.Errorf("%s gave evidence", name)
		}
	}
	write(t, dir, endorsementFile, "!")
	if _, err := c.attester(t, dir, nil).Attest(t.Context(), nil); err == nil || !strings.Contains(err.Error(), endorsementFile) {
		t.Errorf("undecodable endorsements: %v", err)
	}
	// A source of the caller's own that breaks its promise.
	a := c.attester(t, dir, nil)
	a.context = SecurityContextOptions{Dir: t.TempDir(), Getenv: env()}
	a.source = sourceFunc(func(context.Context, *Report) (*Chain, error) { return ParseChain(other.chain) })
	a.report = func(_ context.Context, data [64]byte) ([]byte, error) {
		return c.report(t, nil, func(b []byte) { copy(b[offReportData:], data[:]); b[offChipID]++ }), nil
	}
	if ev, err := a.Attest(t.Context(), nil); err == nil {
		t.Errorf("a chain that does not fit: %d bytes", len(ev.Certificates))
	}
}

type sourceFunc func(context.Context, *Report) (*Chain, error)

func (f sourceFunc) Chain(ctx context.Context, r *Report) (*Chain, error) { return f(ctx, r) }

// The firmware is updated between a report and the look for its certificates.
func TestAttestReportsAgain(t *testing.T) {
	c, _ := twoChips(t)
	dir := t.TempDir()
	write(t, dir, hostCertFile, base64Lines(c.hostDocument(nil)))
	calls := 0
	a := c.attester(t, dir, func(data [64]byte) ([]byte, error) {
		calls++
		return c.report(t, nil, func(b []byte) {
			copy(b[offReportData:], data[:])
			if calls == 1 {
				b[offReportedTCB+6]--
			}
		}), nil
	})
	if _, err := a.Attest(t.Context(), nil); err != nil || calls != 2 {
		t.Errorf("%v after %d reports", err, calls)
	}
	calls = 0
	a.source = FirstChain()
	if _, err := a.Attest(t.Context(), nil); err == nil || calls != 2 || !strings.Contains(err.Error(), fmt.Sprintf("%016x", uint64(0xdb07000000000003))) {
		t.Errorf("%v after %d reports", err, calls)
	}
}
