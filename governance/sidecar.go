package governance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// SidecarURL is where the platform's governance sidecar listens in a room.
const SidecarURL = "http://127.0.0.1:8300"

// SidecarOptions configures a [SidecarRoom]; nil works.
type SidecarOptions struct {
	// Transport wraps the connection, for logs, traces and tests; nil means
	// none. It sees secrets in the bodies.
	Transport func(http.RoundTripper) http.RoundTripper
	// Logger gets one line per request at debug level, without bodies; nil
	// means none.
	Logger *slog.Logger
}

// SidecarRoom acts for a clean room through the platform's governance sidecar
// (ccr-governance of release 8.0.0), which has the evidence, talks to the
// service and unwraps what it answers. Where a program can get evidence itself,
// a [RoomClient] depends on less and shows why it was refused. It is safe for
// concurrent use.
//
// The sidecar asks nobody who they are, and answers in the clear: what runs in
// the room can read the room's secrets.
type SidecarRoom struct {
	wire       *wire
	contractID string
}

var _ Room = (*SidecarRoom)(nil)

// NewSidecarRoom makes a client of the sidecar at endpoint, [SidecarURL] if it
// is empty. The sidecar is set up for one contract; contractID must be its id.
// The endpoint is http://<address>:<port> with a literal loopback address: a
// name, even localhost, could lead secrets out of the room. No proxy is used.
func NewSidecarRoom(endpoint, contractID string, opts *SidecarOptions) (*SidecarRoom, error) {
	if endpoint == "" {
		endpoint = SidecarURL
	}
	if err := checkID("contract id", contractID); err != nil {
		return nil, err
	}
	host, err := loopbackHost(endpoint)
	if err != nil {
		return nil, err
	}
	var o SidecarOptions
	if opts != nil {
		o = *opts
	}
	w := &wire{
		plain: true,
		nodes: newNodes([]string{host}),
		host:  "the sidecar at " + host,
		transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: maxConnect}).DialContext,
			MaxIdleConnsPerHost: 2,
			IdleConnTimeout:     90 * time.Second,
			// The sidecar repeats its own calls for a minute before it answers.
			ResponseHeaderTimeout: 2 * time.Minute,
		},
		poll:  500 * time.Millisecond,
		log:   o.Logger,
		pause: pause,
	}
	w.finish(o.Transport)
	return &SidecarRoom{w, contractID}, nil
}

func loopbackHost(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", fmt.Errorf("governance: sidecar: %w", err)
	}
	addr, err := netip.ParseAddr(u.Hostname())
	plain := u.Scheme == "http" && u.User == nil && u.RawQuery == "" && u.Fragment == "" && (u.Path == "" || u.Path == "/")
	if !plain || err != nil || !addr.IsLoopback() || addr.Zone() != "" {
		return "", fmt.Errorf("governance: sidecar: endpoint %q must be http://<address>:<port> with a literal loopback address, as %s", u.Redacted(), SidecarURL)
	}
	return u.Host, nil
}

// Close closes idle connections.
func (s *SidecarRoom) Close() { s.wire.close() }

// ContractID is the contract that the room is one of.
func (s *SidecarRoom) ContractID() string { return s.contractID }

// Secret implements [Room].
func (s *SidecarRoom) Secret(ctx context.Context, id string) (_ []byte, err error) {
	ctx, end := s.wire.tracer.Start(ctx, "Room.Secret")
	defer end(&err)
	if err := checkID("secret id", id); err != nil {
		return nil, err
	}
	value, err := s.value(ctx, call{
		op: fmt.Sprintf("read secret %s of %s", id, s.contractID), method: http.MethodPost, path: "/secrets/" + id,
	})
	if err != nil {
		return nil, err
	}
	return []byte(value), nil
}

// PutSecret implements [Room]. The sidecar answers when the service took the
// secret; only for events it is known to wait for the commit.
func (s *SidecarRoom) PutSecret(ctx context.Context, name, value string) (id string, err error) {
	ctx, end := s.wire.tracer.Start(ctx, "Room.PutSecret")
	defer end(&err)
	op := fmt.Sprintf("put secret %s of %s", name, s.contractID)
	if err := checkSecretPut(op, name, value); err != nil {
		return "", err
	}
	c, err := call{op: op, method: http.MethodPut, path: "/secrets/" + name}.withJSON(valueDoc{value})
	if err != nil {
		return "", err
	}
	a, err := s.wire.do(ctx, c)
	if err != nil {
		return "", s.explain(err)
	}
	return a.secretID(op, name)
}

// value reads an answer {"value"}.
func (s *SidecarRoom) value(ctx context.Context, c call) (string, error) {
	var doc struct {
		Value *string `json:"value"`
	}
	if err := s.wire.read(ctx, c, &doc); err != nil {
		return "", s.explain(err)
	}
	if doc.Value == nil {
		return "", fmt.Errorf("governance: %s: the answer has no value", c.op)
	}
	return *doc.Value, nil
}

// Token implements [Room]. The sidecar's tokens live five minutes: any other
// lifetime is refused here.
func (s *SidecarRoom) Token(ctx context.Context, t TokenRequest) (_ string, err error) {
	ctx, end := s.wire.tracer.Start(ctx, "Room.Token")
	defer end(&err)
	op := fmt.Sprintf("get token of %s for tenant %s", s.contractID, cut(t.TenantID, 64))
	if t.Lifetime != 0 && t.Lifetime != tokenLifetime {
		return "", fmt.Errorf("governance: %s: the sidecar's tokens live %s, not %s", op, tokenLifetime, t.Lifetime)
	}
	if t.Subject == "" {
		t.Subject = s.contractID
	}
	if t.Audience == "" {
		t.Audience = TokenAudience
	}
	query := make([]string, 0, 4)
	for _, p := range []struct{ name, what, value string }{
		{"sub", "subject", t.Subject}, {"tenantId", "tenant", t.TenantID}, {"aud", "audience", t.Audience}, {"iss", "issuer", t.Issuer},
	} {
		if p.name == "iss" && p.value == "" {
			continue
		}
		if err := checkParameter("the token's "+p.what, p.value); err != nil {
			return "", fmt.Errorf("governance: %s: %w", op, err)
		}
		query = append(query, p.name+"="+p.value)
	}
	token, err := s.value(ctx, call{op: op, method: http.MethodPost, path: "/oauth/token", query: strings.Join(query, "&")})
	if err != nil {
		return "", err
	}
	if strings.Count(token, ".") != 2 {
		return "", errors.New("governance: " + op + ": the answer is no JWT")
	}
	return token, nil
}

// Consent implements [Room].
func (s *SidecarRoom) Consent(ctx context.Context, o RuntimeOption) (_ *OptionStatus, err error) {
	ctx, end := s.wire.tracer.Start(ctx, "Room.Consent")
	defer end(&err)
	if err := checkID("runtime option", string(o)); err != nil {
		return nil, err
	}
	c := call{op: fmt.Sprintf("ask for consent to %s of %s", o, s.contractID), method: http.MethodPost, path: "/consentcheck/" + string(o)}
	doc, err := s.askConsent(ctx, c)
	if err != nil {
		return nil, err
	}
	return doc.status(s.contractID, o), nil
}

func (s *SidecarRoom) askConsent(ctx context.Context, c call) (*optionDoc, error) {
	var doc optionDoc
	if err := s.wire.read(ctx, c, &doc); err != nil {
		return nil, s.explain(err)
	}
	return &doc, nil
}

// PutEvent implements [Room]. The sidecar waits for the commit, and gives the
// event its time: one whose answer was lost is sent again, and then is another.
func (s *SidecarRoom) PutEvent(ctx context.Context, event any, opts *PutEventOptions) (err error) {
	ctx, end := s.wire.tracer.Start(ctx, "Room.PutEvent")
	defer end(&err)
	c, err := eventCall(s.contractID, event, opts)
	if err != nil {
		return err
	}
	if _, err := s.wire.do(ctx, c); err != nil {
		return s.explain(err)
	}
	return nil
}

// explain is that of a [RoomClient], without the evidence, which the sidecar
// does not show.
func (s *SidecarRoom) explain(err error) error {
	var se *ServiceError
	if !errors.As(err, &se) || se.Code != "VerifySnpAttestationFailed" {
		return err
	}
	c := evidenceCheck(se, s.contractID, "the sidecar's evidence, which it does not show", "<host data>")
	c.Err = errRefused
	return denied(se.Op, s.wire.host, []Check{c}, se)
}
