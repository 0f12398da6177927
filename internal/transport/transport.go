// Package transport gives every Azure-facing client of this module one rule:
// no redirect is followed. A 307 would carry evidence, tokens and customer
// keys in headers to a host that nobody chose.
package transport

import (
	"crypto/tls"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// shared is used by every client that was given no transport, so that they
// reuse connections among each other.
var shared = &http.Client{
	Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(64)},
	},
	CheckRedirect: refuse,
}

func refuse(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// NoRedirect returns options whose transport answers a redirect instead of
// following it. A nil transport becomes the module's shared client; an
// *http.Client is copied, so that the caller's own stays as it was; any other
// transport is the caller's responsibility and is kept.
func NoRedirect(o policy.ClientOptions) policy.ClientOptions {
	switch t := o.Transport.(type) {
	case nil:
		o.Transport = shared
	case *http.Client:
		c := *t
		c.CheckRedirect = refuse
		o.Transport = &c
	}
	return o
}
