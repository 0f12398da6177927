package governance

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cleanroom-go/sdk/internal/trace"
)

// wire is one connection to one CCF service, shared by every call of a client.
// It trusts the service certificate and nothing else: a public authority that
// vouches for the host name counts for nothing here.
type wire struct {
	nodes     *nodes
	host      string // of the endpoint, for texts
	plain     bool   // HTTP, to one address, from which no redirect is taken
	http      *http.Client
	transport *http.Transport
	poll      time.Duration
	log       *slog.Logger
	tracer    trace.Tracer
	pin       *pin // nil if plain
	early     bool
	pending   pending
	// authorize, if any, adds who asks to each request.
	authorize func(context.Context, *http.Request) error

	// pause is a field so that tests of what is done need not wait.
	pause func(context.Context, time.Duration) error
}

// newWire connects nothing yet. The member may be nil: a clean room has no
// client certificate.
func newWire(endpoint string, member *Member, o *ClientOptions) (*wire, error) {
	u, err := parseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	if o == nil {
		o = &ClientOptions{}
	}
	hosts := []string{hostOf(u)}
	for _, node := range o.Nodes {
		n, err := parseEndpoint(node)
		if err != nil {
			return nil, err
		}
		if host := hostOf(n); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	pin, err := newPin(o.ServiceCertificate, o.ServiceCertificateDigest, dialWith(o.DialContext))
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		DialContext:           dialWith(o.DialContext),
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   2,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		// A connection that died silently is noticed while a call waits for
		// votes, not when its minute is over.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
		// No Proxy: a proxy of the environment has no say in who carries votes
		// and secrets, and DialContext is the way to use one on purpose.
		TLSClientConfig: tlsConfig(pin.roots, member),
	}
	w := &wire{
		nodes:     newNodes(hosts),
		host:      u.Host,
		transport: t,
		poll:      o.PollInterval,
		log:       o.Logger,
		pin:       pin,
		early:     o.EarlyReturn,
		pause:     pause,
		tracer:    trace.New(o.TracingProvider, "governance"),
	}
	w.finish(o.Transport)
	return w, nil
}

// finish fills in what was left out, and puts the wrapper around the transport.
func (w *wire) finish(wrap func(http.RoundTripper) http.RoundTripper) {
	if w.poll <= 0 {
		w.poll = 500 * time.Millisecond
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	var rt http.RoundTripper = w.transport
	if wrap != nil {
		rt = wrap(rt)
	}
	w.http = &http.Client{
		Transport:     rt,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dialWith bounds connecting where the caller does not do it: a machine that is
// gone answers nothing.
func dialWith(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	if dial != nil {
		return dial
	}
	return (&net.Dialer{Timeout: maxConnect}).DialContext
}

func (w *wire) close() { w.transport.CloseIdleConnections() }

func parseEndpoint(endpoint string) (*url.URL, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("governance: endpoint: %w", err)
	}
	if u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || (u.Path != "" && u.Path != "/") {
		return nil, fmt.Errorf("governance: endpoint %q must be https://host[:port] and no more", u.Redacted())
	}
	return u, nil
}

// hostOf spells one node one way.
func hostOf(u *url.URL) string { return strings.TrimSuffix(u.Host, ":443") }

func parseCertificates(b []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, errors.New("no PEM block of type CERTIFICATE")
	}
	return certs, nil
}

func tlsConfig(roots *x509.CertPool, member *Member) *tls.Config {
	c := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		RootCAs:            roots, // the name is that of the node, which the transport fills in
		ClientSessionCache: tls.NewLRUClientSessionCache(4),
	}
	if member != nil {
		cert := &tls.Certificate{
			Certificate: [][]byte{member.cert.Raw}, PrivateKey: member.key, Leaf: member.cert,
			SupportedSignatureAlgorithms: signatureSchemes(member),
		}
		// The list of acceptable authorities is ignored on purpose: member
		// certificates are self-signed, the service knows them by digest.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	return c
}

// signatureSchemes has the one of the member's curve: TLS 1.2 would take other
// hashes too, which a key in a vault does not sign.
func signatureSchemes(m *Member) []tls.SignatureScheme {
	switch m.key.Public().(*ecdsa.PublicKey).Curve {
	case elliptic.P256():
		return []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}
	case elliptic.P384():
		return []tls.SignatureScheme{tls.ECDSAWithP384AndSHA384}
	}
	return []tls.SignatureScheme{tls.ECDSAWithP521AndSHA512}
}

// pause waits for d or until the context ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
