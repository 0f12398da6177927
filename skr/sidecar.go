package skr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// Where the platform's sidecars listen in a room.
const (
	SidecarURL         = "http://127.0.0.1:8284" // secure key release
	IdentitySidecarURL = "http://127.0.0.1:8290"
	SecretsSidecarURL  = "http://127.0.0.1:9300"
)

// SidecarOptions are the options of the clients of the room's sidecars. The
// zero value is ready.
//
// A client speaks plain HTTP to one literal loopback address, http://127.0.0.1:8284
// for instance, and nowhere else: no proxy, no redirect, no look-up of a name.
// Even localhost is refused, since a file that anybody in the image could write
// says what it means.
type SidecarOptions struct {
	// Transport wraps the connection, for logs, traces and tests; nil means
	// none. It sees keys and tokens in the bodies.
	Transport func(http.RoundTripper) http.RoundTripper
	// Retry is how often and how patiently a call is repeated that failed on
	// its way, was answered with 408, 429, 502, 503, 504 or an empty 500, or
	// with the 403 into which a sidecar turns such answers of the services
	// behind it. The zero value means three times, from 0.8 seconds on.
	// StatusCodes and ShouldRetry are not used.
	Retry policy.RetryOptions
}

// ErrNoSidecar is in the chain of errors of a sidecar that no connection could
// be made to: nothing was asked, and another way may be tried.
var ErrNoSidecar = errors.New("no sidecar answers there")

// sidecarClient is what the clients of the three sidecars share.
type sidecarClient struct {
	name     string // "SKR sidecar at 127.0.0.1:8284"
	url      string
	pipeline runtime.Pipeline
	idle     func()
}

// maxSidecarThought is how long a sidecar may take to answer: it repeats its
// own calls for a minute.
const maxSidecarThought = 2 * time.Minute

func newSidecarClient(what, endpoint string, opts *SidecarOptions) (*sidecarClient, error) {
	host, err := loopbackHost(endpoint)
	if err != nil {
		return nil, fmt.Errorf("skr: %s: %w", what, err)
	}
	if opts == nil {
		opts = &SidecarOptions{}
	}
	base := &http.Transport{
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		MaxIdleConnsPerHost:   2,
		IdleConnTimeout:       90 * time.Second,
		ResponseHeaderTimeout: maxSidecarThought,
	}
	var transport http.RoundTripper = base
	if opts.Transport != nil {
		transport = opts.Transport(base)
	}
	azure := azcore.ClientOptions{Transport: &http.Client{Transport: transport}, Retry: opts.Retry}
	azure.Retry.StatusCodes, azure.Retry.ShouldRetry = nil, worthRepeating
	azure = clientOptions(azure)
	return &sidecarClient{
		name:     what + " at " + host,
		url:      "http://" + host,
		pipeline: runtime.NewPipeline("skr", "v0.1.0", runtime.PipelineOptions{}, &azure),
		idle:     base.CloseIdleConnections,
	}, nil
}

// loopbackHost is host and port of a sidecar's address.
func loopbackHost(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return "", errors.New("the endpoint is no URL; give http://<address>:<port> with a literal loopback address, as " + SidecarURL)
	}
	addr, err := netip.ParseAddr(u.Hostname())
	plain := u.Scheme == "http" && u.User == nil && u.RawQuery == "" && !u.ForceQuery && u.Fragment == "" && (u.Path == "" || u.Path == "/")
	if !plain || err != nil || !addr.IsLoopback() || addr.Zone() != "" {
		return "", fmt.Errorf("the endpoint %q is not http://<address>:<port> with a literal loopback address, as %s; a name, even localhost, could lead keys out of the room", shorten(u.Redacted()), SidecarURL)
	}
	return u.Host, nil
}

// call sends one request and returns the one JSON object of a 200 answer.
// Anything else is a *SidecarError or what the connection failed with.
func (c *sidecarClient) call(ctx context.Context, method, pathAndQuery string, body any) (map[string]json.RawMessage, error) {
	req, err := runtime.NewRequest(ctx, method, c.url+pathAndQuery)
	if err != nil {
		return nil, err
	}
	if body != nil {
		if err := runtime.MarshalAsJSON(req, body); err != nil {
			return nil, err
		}
	}
	resp, err := c.pipeline.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	payload, err := runtime.Payload(resp)
	if err != nil {
		return nil, fmt.Errorf("the %s: %w", c.name, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, readSidecarError(c.name, resp.StatusCode, payload)
	}
	return c.object(payload)
}

// object reads the answer of a success. The sidecars write two objects behind
// one another after some failures; should one of them come with a 200, it is
// still a failure.
func (c *sidecarClient) object(payload []byte) (map[string]json.RawMessage, error) {
	objects, err := jsonObjects(payload)
	if err != nil {
		return nil, fmt.Errorf("the answer of the %s: %w", c.name, err)
	}
	for _, o := range objects {
		if _, failed := o["error"]; failed {
			return nil, readSidecarError(c.name, http.StatusOK, payload)
		}
	}
	if len(objects) != 1 {
		return nil, fmt.Errorf("the answer of the %s: %d JSON objects, want one", c.name, len(objects))
	}
	return objects[0], nil
}

// unreachable marks a failure to connect.
func (c *sidecarClient) unreachable(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("the %s: %w", c.name, cause)
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fmt.Errorf("the %s: %w: %w", c.name, ErrNoSidecar, err)
	}
	return fmt.Errorf("the %s: %w", c.name, err)
}

// close closes idle connections.
func (c *sidecarClient) close() { c.idle() }

// textMember is a string member of an answer. Nothing of it is quoted.
func textMember(o map[string]json.RawMessage, name string) (string, error) {
	var s string
	if raw, ok := o[name]; !ok || json.Unmarshal(raw, &s) != nil || s == "" {
		return "", fmt.Errorf("the answer has no text %q", name)
	}
	return s, nil
}

// bareHost is what the SKR sidecar pastes between "https://" and a path.
func bareHost(endpoint string) string { return strings.TrimPrefix(endpoint, "https://") }
