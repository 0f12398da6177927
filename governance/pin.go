package governance

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// pin is what the connections of one client are verified with: an authority
// that is given, or one that the service names and a digest vouches for.
type pin struct {
	digest [sha256.Size]byte
	dial   func(ctx context.Context, network, addr string) (net.Conn, error)

	// turn holds one token while the certificate is fetched or looked at: a
	// channel, so that a caller can stop waiting for another's.
	turn chan struct{}
	// known says that the certificate is there. Before that the roots verify
	// nothing; they are changed once, before the transport that has them is
	// used.
	known atomic.Bool
	roots *x509.CertPool
	pem   []byte
}

// maxPin bounds fetching the certificate, whatever the context allows.
const maxPin = 30 * time.Second

// maxNetwork bounds the answer that has it.
const maxNetwork = 1 << 20

// newPin takes a certificate, a digest, or both if they agree.
func newPin(certificate []byte, digest [sha256.Size]byte, dial func(context.Context, string, string) (net.Conn, error)) (*pin, error) {
	p := &pin{digest: digest, dial: dial, turn: make(chan struct{}, 1), roots: x509.NewCertPool()}
	if len(certificate) == 0 && digest != [sha256.Size]byte{} {
		return p, nil
	}
	certs, err := parseCertificates(certificate)
	if err != nil {
		return nil, fmt.Errorf("governance: service certificate: %w; it is the PEM text that the operator of the service hands out, in place of which its digest can be given", err)
	}
	if digest != [sha256.Size]byte{} {
		if err := checkPin(certs, digest); err != nil {
			return nil, fmt.Errorf("governance: service certificate: the certificate and the digest that are given do not agree: %w", err)
		}
	}
	p.take(certs)
	return p, nil
}

func checkPin(certs []*x509.Certificate, digest [sha256.Size]byte) error {
	if len(certs) != 1 {
		return fmt.Errorf("%d certificates, want one", len(certs))
	}
	if got := sha256.Sum256(certs[0].Raw); got != digest {
		return fmt.Errorf("the certificate has the SHA-256 %x, not %x", got, digest)
	}
	return nil
}

func (p *pin) take(certs []*x509.Certificate) {
	for _, c := range certs {
		p.roots.AddCert(c)
		p.pem = append(p.pem, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	p.known.Store(true)
}

// ready returns when there is something to verify the service with. What it
// asks the host, it asks before anybody knows who that is: without the member's
// certificate, once, and with nothing believed but what the digest names.
func (p *pin) ready(ctx context.Context, op, host string) error {
	if p.known.Load() {
		return nil
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return newConnectionError(op, host, context.Cause(ctx))
	}
	if p.known.Load() {
		return nil
	}
	certs, err := p.fetch(ctx, op, host)
	if err != nil {
		return err
	}
	if err := checkPin(certs, p.digest); err != nil {
		return &connectionError{op: op, host: host, err: err, fatal: true, remedy: "the server is not part of the service whose digest was given, or the service was recovered under another certificate; get the digest from its operator anew, through another channel"}
	}
	p.take(certs)
	return nil
}

func (p *pin) fetch(ctx context.Context, op, host string) ([]*x509.Certificate, error) {
	limited, cancel := context.WithTimeout(ctx, maxPin)
	defer cancel()
	t := &http.Transport{
		DialContext:         p.dial,
		DisableKeepAlives:   true,
		TLSHandshakeTimeout: 10 * time.Second,
		// Who answers is not known yet: what the answer names is compared with
		// the digest, and every later connection is verified with it.
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true},
	}
	defer t.CloseIdleConnections()
	client := &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(limited, http.MethodGet, "https://"+host+"/node/network", nil)
	if err != nil {
		return nil, fmt.Errorf("governance: %s: %w", op, err)
	}
	resp, err := client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, newConnectionError(op, host, err)
	}
	defer resp.Body.Close()
	body, err := readBounded(resp.Body, maxNetwork)
	if err != nil && !errors.Is(err, errTooLong) {
		return nil, newConnectionError(op, host, err)
	}
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		e := parseServiceError(resp.StatusCode, body)
		e.Op, e.retryAfter = op+", read the service certificate", parseRetryAfter(resp.Header, time.Now())
		return nil, e
	default:
		return nil, notNode(op, host, fmt.Errorf("the answer has the status %d", resp.StatusCode))
	}
	if err != nil {
		return nil, notNode(op, host, err)
	}
	var doc struct {
		ServiceCertificate string `json:"service_certificate"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, notNode(op, host, err)
	}
	certs, err := parseCertificates([]byte(doc.ServiceCertificate))
	if err != nil {
		return nil, notNode(op, host, err)
	}
	return certs, nil
}

func notNode(op, host string, err error) error {
	return &connectionError{
		op: op, host: host, err: fmt.Errorf("/node/network gives no service certificate: %w", err), fatal: true,
		remedy: "check that the endpoint is a node of the service",
	}
}
