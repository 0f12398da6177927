// Package transport makes the options of every Azure-facing client of this
// module safe in the same way. No redirect is followed: a 307 would carry
// evidence, tokens and customer keys in headers to a host that nobody chose. No
// answer is read without end. No log has a body, which may be an access token
// or a private key, nor a header that is one.
package transport

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// shared is used by every client that was given no transport, so that they
// reuse connections among each other.
var shared = &http.Client{Transport: newTransport(), CheckRedirect: refuse}

// newTransport has a limit for each step in which a machine that is gone, or
// one that is there and silent, would be waited for.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		// Counted from the end of the request: no service thinks for longer.
		ResponseHeaderTimeout: 2 * time.Minute,
		// A connection that died silently is noticed while a call waits on it,
		// also by the calls that would share it next.
		HTTP2:           &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(64)},
	}
}

func refuse(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// MaxAnswer bounds an answer, in bytes, unless a [Limit] says otherwise. A
// release has about ten kilobytes, a token three, a key set a few dozen.
const MaxAnswer = 1 << 20

// Limit is how many bytes of this answer are read; negative means all, for an
// answer that the caller bounds.
type Limit func(*http.Request, *http.Response) int64

// neverLogged are the headers that carry what they protect.
var neverLogged = []string{
	"Authorization", "Proxy-Authorization", "x-ms-authorization-auxiliary", "x-ms-copy-source-authorization", "x-ms-encryption-key", "x-ms-source-encryption-key", "Cookie", "Set-Cookie",
}

// neverLoggedParameters are such parameters of an address: the signature of a
// shared access signature, and what a code is called in a sign-in.
var neverLoggedParameters = []string{"sig", "code"}

// Harden returns safe options; the caller's stay as they were. A nil limit
// means [MaxAnswer] for each answer. A nil transport becomes the module's
// shared client; an *http.Client is copied and told to follow no redirect; any
// other transport is the caller's responsibility and is kept, but for its
// answers being bounded. Options that are safe already get the new limit in
// place of their own.
func Harden(o policy.ClientOptions, limit Limit) policy.ClientOptions {
	if b, hardened := o.Transport.(bounded); hardened {
		o.Transport = b.next
	}
	switch t := o.Transport.(type) {
	case nil:
		o.Transport = shared
	case *http.Client:
		c := *t
		c.CheckRedirect = refuse
		o.Transport = &c
	}
	if limit == nil {
		limit = func(*http.Request, *http.Response) int64 { return MaxAnswer }
	}
	o.Transport = bounded{o.Transport, limit}
	o.Logging.IncludeBody = false
	o.Logging.AllowedHeaders = without(o.Logging.AllowedHeaders, neverLogged)
	o.Logging.AllowedQueryParams = without(o.Logging.AllowedQueryParams, neverLoggedParameters)
	return o
}

// without is a copy of names that lacks some, in whatever case.
func without(names, lacking []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return slices.ContainsFunc(lacking, func(l string) bool { return strings.EqualFold(strings.TrimSpace(name), l) })
	})
}
