package ccf

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/internal/cose"
	"github.com/cleanroom-go/sdk/internal/keywrap"
)

// The exchanges of each recorded flow, all of which are replayed.
var replayed = []struct {
	flow      string
	exchanges int
}{
	{"01-consortium", 27},
	{"02-contract", 35},
	{"03-contract-rejected-withdrawn", 25},
	{"04-deployment-and-policy", 28},
	{"05-runtime-options-consent", 39},
	{"06-secrets", 29},
	{"07-ca", 17},
	{"08-oauth-token", 30},
	{"09-events", 25},
	{"10-protocol", 16},
	{"11-inactive-member", 23},
	{"12-user-token", 14},
}

type exchange struct {
	Step    string
	Note    string
	Request struct {
		Method, Path      string
		ClientCertificate *string
		Headers           map[string]string
		Body              json.RawMessage
		BodyText          *string
		Cose              *struct {
			Protected     map[string]any
			PayloadText   string
			MessageBase64 []byte
		}
	}
	Response struct {
		Status  int
		Headers map[string]string
		Body    json.RawMessage
	}
	UnwrappedResponseValue *struct {
		Text string
		JWT  *struct {
			Header, Payload json.RawMessage
		}
		JSON json.RawMessage
	}
}

type recordedParty struct {
	MemberID, Certificate, PrivateKey, EncryptionPublicKey string
}

const recordings = "testdata/cgs-8.0.0"

func readJSON(t *testing.T, name string, v any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(recordings, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// replayer drives a service through the recorded run. Ids differ from run to
// run: ours holds this run's by the recorded ones.
type replayer struct {
	s       *Service
	parties map[string]recordedParty
	certs   map[string]*x509.Certificate
	keys    map[string]crypto.Signer // by member id
	room    *rsa.PrivateKey
	clock   time.Time
	reject  bool
	ours    map[string]string
}

func newReplayer(t *testing.T) *replayer {
	t.Helper()
	var raw map[string]json.RawMessage
	readJSON(t, "throwaway-keys.json", &raw)
	r := &replayer{
		parties: map[string]recordedParty{}, certs: map[string]*x509.Certificate{},
		keys: map[string]crypto.Signer{}, ours: map[string]string{}, clock: time.Unix(1795443774, 0),
	}
	for _, name := range []string{"consumer", "publisher", "stranger", "cleanRoom"} {
		var p recordedParty
		if err := json.Unmarshal(raw[name], &p); err != nil {
			t.Fatal(err)
		}
		r.parties[name] = p
		key := parseKey(t, p.PrivateKey)
		if name == "cleanRoom" {
			r.room = key.(*rsa.PrivateKey)
			continue
		}
		cert, err := parseCertificate(p.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		r.certs[name], r.keys[p.MemberID] = cert, key
	}
	consumer := r.parties["consumer"]
	s, err := New(Options{
		Genesis: []Member{{
			CertificatePEM: []byte(consumer.Certificate), EncryptionKeyPEM: []byte(consumer.EncryptionPublicKey),
			Data: map[string]any{"identifier": "consumer", "tenantId": "11111111-1111-1111-1111-111111111111"},
		}},
		VerifyReport: func(_, _, _ []byte) error {
			if r.reject {
				return errors.New("rejected by configuration")
			}
			return nil // the recorded reports carry no signature
		},
		now: func() time.Time { return r.clock },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.s = s
	// The recorded service was open from the start, and showed exceptions.
	x := s.store.begin()
	state := serviceOf(x)
	state.status = statusOpen
	serviceTable.put(x, "", state)
	jsOptionsTable.put(x, "", obj("return_exception_details", true))
	x.commit()
	s.store.sign()
	return r
}

func parseKey(t *testing.T, text string) crypto.Signer {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(crypto.Signer)
}

// toOurs and toRecorded translate the ids in a text.
func (r *replayer) toOurs(s string) string {
	for recorded, our := range r.ours {
		s = strings.ReplaceAll(s, recorded, our)
	}
	return s
}

func (r *replayer) toRecorded(s string) string {
	for recorded, our := range r.ours {
		s = strings.ReplaceAll(s, our, recorded)
	}
	return s
}

func (r *replayer) message(t *testing.T, e *exchange) []byte {
	t.Helper()
	c := e.Request.Cose
	createdAt := int64(c.Protected["ccf.gov.msg.created_at"].(float64))
	if createdAt > r.clock.Unix() {
		r.clock = time.Unix(createdAt, 0)
	}
	proposalID, _ := c.Protected["ccf.gov.msg.proposal_id"].(string)
	if r.toOurs(proposalID) == proposalID && r.toOurs(c.PayloadText) == c.PayloadText {
		return c.MessageBase64
	}
	kid := c.Protected["4"].(string)
	m, err := cose.Sign(r.keys[kid], cose.Header{
		KeyID: kid, Type: c.Protected["ccf.gov.msg.type"].(string), CreatedAt: createdAt, ProposalID: r.toOurs(proposalID),
	}, []byte(r.toOurs(c.PayloadText)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (r *replayer) send(t *testing.T, e *exchange) *http.Response {
	t.Helper()
	body := []byte(e.Request.Body)
	switch {
	case e.Request.Cose != nil:
		body = r.message(t, e)
	case e.Request.BodyText != nil:
		body = []byte(*e.Request.BodyText)
	}
	req := httptest.NewRequest(e.Request.Method, r.toOurs(e.Request.Path), bytes.NewReader(body))
	req.TLS = &tls.ConnectionState{}
	if name := e.Request.ClientCertificate; name != nil {
		req.TLS.PeerCertificates = []*x509.Certificate{r.certs[*name]}
	}
	for k, v := range e.Request.Headers {
		req.Header.Set(k, v)
	}
	r.reject = e.Step == "error: report does not verify"
	w := httptest.NewRecorder()
	r.s.ServeHTTP(w, req)
	return w.Result()
}

func TestReplay(t *testing.T) {
	r := newReplayer(t)
	total := 0
	for _, f := range replayed {
		var flow struct{ Exchanges []exchange }
		readJSON(t, "8.0.0-"+f.flow+".json", &flow)
		if f.flow == "10-protocol" {
			// A write that was not recorded precedes this flow.
			x := r.s.store.begin()
			textTable.put(x, "unrecorded", "")
			x.commit()
		}
		ran := 0
		for i := range flow.Exchanges {
			e := &flow.Exchanges[i]
			resp := r.send(t, e)
			if err := r.compare(e, resp); err != nil {
				t.Errorf("%s %d, %q: %v", f.flow, i, e.Step, err)
			}
			ran++
		}
		if ran != f.exchanges {
			t.Errorf("%s: want %d exchanges, ran %d", f.flow, f.exchanges, ran)
		}
		total += ran
	}
	if total != 308 {
		t.Errorf("want 308 exchanges, ran %d", total)
	}
}

func (r *replayer) compare(e *exchange, resp *http.Response) error {
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != e.Response.Status {
		return fmt.Errorf("status %d, want %d; body %s", resp.StatusCode, e.Response.Status, b.Bytes())
	}
	for _, name := range []string{"content-type", "x-ms-ccf-transaction-id", "www-authenticate", "allow", "retry-after"} {
		if got, want := resp.Header.Get(name), e.Response.Headers[name]; got != want {
			return fmt.Errorf("header %s: %q, want %q", name, got, want)
		}
	}
	if e.Response.Body == nil {
		if b.Len() > 0 {
			return fmt.Errorf("unexpected body %s", b.Bytes())
		}
		return nil
	}
	if strings.HasPrefix(resp.Header.Get("content-type"), "text/") {
		var want string
		if err := json.Unmarshal(e.Response.Body, &want); err != nil {
			return err
		}
		if b.String() != want {
			return fmt.Errorf("text %q, want %q", b.String(), want)
		}
		return nil
	}
	return r.compareJSON(e, b.Bytes())
}

func (r *replayer) compareJSON(e *exchange, body []byte) error {
	var got, want any
	if err := json.Unmarshal(e.Response.Body, &want); err != nil {
		return err
	}
	// The body learns the ids before it is read with them.
	if err := json.Unmarshal(body, &got); err != nil {
		return fmt.Errorf("%w in %s", err, body)
	}
	r.learn(got, want)
	if err := json.Unmarshal([]byte(r.toRecorded(string(body))), &got); err != nil {
		return err
	}
	if e.UnwrappedResponseValue != nil {
		return r.compareWrapped(e, got)
	}
	got, want = normalise(got, e), normalise(want, e)
	if !reflect.DeepEqual(got, want) {
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		return fmt.Errorf("body\n got %s\nwant %s", g, w)
	}
	return keyOrder(e, body)
}

// keyOrder compares the order of the keys of an answer's top level, which
// means nothing in JSON but shows that the shapes were made the same way.
func keyOrder(e *exchange, body []byte) error {
	g, errGot := parseJSON(body)
	w, errWant := parseJSON(e.Response.Body)
	if errGot != nil || errWant != nil {
		return errors.Join(errGot, errWant)
	}
	if !slices.Equal(g.(*object).keys, w.(*object).keys) {
		return fmt.Errorf("keys %q, want %q", g.(*object).keys, w.(*object).keys)
	}
	return nil
}

// learn pairs the ids that differ from run to run.
func (r *replayer) learn(got, want any) {
	g, okGot := got.(map[string]any)
	w, okWant := want.(map[string]any)
	if !okGot || !okWant {
		return
	}
	for _, name := range []string{"proposalId", "stateDigest"} {
		recorded, ok := w[name].(string)
		our, okOur := g[name].(string)
		if ok && okOur && recorded != "" && our != "" && r.ours[recorded] == "" {
			r.ours[recorded] = our
		}
	}
}

var trace = regexp.MustCompile(`(?s)(\n| )+at .*`)

// generated are the fields that each run generates.
var generated = []string{"certificate", "caCert", "publicKey", "n"}

// normalise takes out of an answer what differs from run to run.
func normalise(v any, e *exchange) any {
	switch v := v.(type) {
	case map[string]any:
		for name, f := range v {
			v[name] = normalise(f, e)
		}
		for _, name := range generated {
			if s, ok := v[name].(string); ok && s != "" && v["memberId"] == nil {
				v[name] = "generated"
			}
		}
		delete(v, "trace")
		if v["code"] != nil {
			message, _ := v["message"].(string)
			message = strings.TrimRight(trace.ReplaceAllString(message, ""), "\n ")
			if i := strings.Index(message, "SyntaxError"); i >= 0 {
				message = message[:i] + "SyntaxError"
			}
			if strings.Contains(e.Note, "the message text is the host's") && !strings.HasPrefix(message, "Error during") {
				message = "the host's"
			}
			v["message"] = message
		}
	case []any:
		for i := range v {
			v[i] = normalise(v[i], e)
		}
		// Proposal ids order a list of proposals, and they differ.
		slices.SortStableFunc(v, func(a, b any) int {
			return strings.Compare(proposalIDOf(a), proposalIDOf(b))
		})
	}
	return v
}

func proposalIDOf(v any) string {
	m, _ := v.(map[string]any)
	id, _ := m["proposalId"].(string)
	return id
}

func (r *replayer) compareWrapped(e *exchange, got any) error {
	value, _ := got.(map[string]any)["value"].(string)
	blob, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return err
	}
	plain, err := keywrap.UnwrapRSAAES(r.room, keywrap.RSAAES256, blob)
	if err != nil {
		return err
	}
	switch want := e.UnwrappedResponseValue; {
	case want.JWT != nil:
		return r.compareToken(string(plain), want.JWT.Header, want.JWT.Payload)
	case want.JSON != nil:
		var cert struct{ Cert string }
		if err := json.Unmarshal(plain, &cert); err != nil {
			return err
		}
		return r.compareCertificate(cert.Cert, want.JSON)
	case string(plain) != want.Text:
		return fmt.Errorf("unwrapped %q, want %q", plain, want.Text)
	}
	return nil
}

// compareToken wants header and payload to the letter, order included, and a
// PS256 signature of the published key.
func (r *replayer) compareToken(token string, header, payload json.RawMessage) error {
	parts := strings.Split(token, ".")
	for i, recorded := range []json.RawMessage{header, payload} {
		var want bytes.Buffer
		if err := json.Compact(&want, recorded); err != nil {
			return err
		}
		got, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return err
		}
		if string(got) != want.String() {
			return fmt.Errorf("token part %s, want %s", got, want.String())
		}
	}
	w := httptest.NewRecorder()
	r.s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/app/oidc/keys", nil))
	var set struct {
		Keys []struct{ N, E string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil {
		return err
	}
	n, errN := base64.RawURLEncoding.DecodeString(set.Keys[0].N)
	sig, errSig := base64.RawURLEncoding.DecodeString(parts[2])
	if err := errors.Join(errN, errSig); err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	return rsa.VerifyPSS(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}, crypto.SHA256, digest[:], sig, &rsa.PSSOptions{SaltLength: 32})
}

func (r *replayer) compareCertificate(got string, recorded json.RawMessage) error {
	var want struct{ Cert string }
	if err := json.Unmarshal(recorded, &want); err != nil {
		return err
	}
	g, errGot := parseCertificate(got)
	w, errWant := parseCertificate(want.Cert)
	if err := errors.Join(errGot, errWant); err != nil {
		return err
	}
	if g.Subject.String() != w.Subject.String() || g.Issuer.String() != w.Issuer.String() || !slices.Equal(g.DNSNames, w.DNSNames) ||
		g.NotAfter.Sub(g.NotBefore) != w.NotAfter.Sub(w.NotBefore) || g.IsCA != w.IsCA {
		return fmt.Errorf("certificate of %s by %s, want %s by %s", g.Subject, g.Issuer, w.Subject, w.Issuer)
	}
	return nil
}
