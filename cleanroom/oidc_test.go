package cleanroom_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/datasink"
)

const issuerKeys = `{"keys":[{"kty":"RSA","kid":"k1","n":"AQAB","e":"AQAB","use":"sig"}]}`

func memorySink(t *testing.T) (*datasink.Sink, datasink.Backend) {
	t.Helper()
	b := datasink.Memory()
	s, err := datasink.NewWithBackend(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, b
}

func contentOf(t *testing.T, s *datasink.Sink, name string) string {
	t.Helper()
	r, err := s.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPublishIssuer(t *testing.T) {
	for _, c := range []struct{ url, issuer, folder string }{
		{"https://web.z6.web.core.windows.net", "https://web.z6.web.core.windows.net", ""},
		{"https://web.z6.web.core.windows.net/", "https://web.z6.web.core.windows.net", ""},
		{"https://web.z6.web.core.windows.net/oidc", "https://web.z6.web.core.windows.net/oidc", "oidc/"},
		{"https://web.z6.web.core.windows.net/a/b/", "https://web.z6.web.core.windows.net/a/b", "a/b/"},
	} {
		web, backend := memorySink(t)
		issuer, err := cleanroom.PublishIssuer(t.Context(), web, c.url, json.RawMessage(issuerKeys))
		if err != nil || issuer != c.issuer {
			t.Fatalf("%s: %q, %v", c.url, issuer, err)
		}
		var doc map[string]any
		if err := json.Unmarshal([]byte(contentOf(t, web, c.folder+".well-known/openid-configuration")), &doc); err != nil {
			t.Fatal(err)
		}
		if doc["issuer"] != c.issuer || doc["jwks_uri"] != c.issuer+"/openid/v1/jwks" {
			t.Errorf("%s: configuration %v", c.url, doc)
		}
		if got := contentOf(t, web, c.folder+"openid/v1/jwks"); got != issuerKeys {
			t.Errorf("%s: keys %s", c.url, got)
		}
		names := 0
		for item, err := range web.List(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			names++
			stat, err := backend.Stat(t.Context(), item.Name)
			if err != nil || stat.ContentType != "application/json" {
				t.Errorf("%s has type %q, %v", item.Name, stat.ContentType, err)
			}
		}
		if names != 2 {
			t.Errorf("%s: %d documents", c.url, names)
		}
	}
}

// Publishing again, with new keys, replaces what is there.
func TestPublishIssuerAgain(t *testing.T) {
	web, _ := memorySink(t)
	const issuer = "https://web.z6.web.core.windows.net/oidc"
	rotated := strings.Replace(issuerKeys, "k1", "k2", 1)
	for _, keys := range []string{issuerKeys, rotated} {
		if _, err := cleanroom.PublishIssuer(t.Context(), web, issuer, json.RawMessage(keys)); err != nil {
			t.Fatal(err)
		}
	}
	if got := contentOf(t, web, "oidc/openid/v1/jwks"); got != rotated {
		t.Errorf("keys %s", got)
	}
}

// Documents under a customer's key would be read by nobody.
func TestPublishIssuerNeedsPlainDocuments(t *testing.T) {
	dek, err := datasink.NewDEK()
	if err != nil {
		t.Fatal(err)
	}
	defer dek.Close()
	web, err := datasink.New("https://web.blob.core.windows.net/$web", unasked{t}, &datasink.Options{Mode: datasink.CPK, DEK: dek})
	if err != nil {
		t.Fatal(err)
	}
	got, err := cleanroom.PublishIssuer(t.Context(), web, "https://web.z6.web.core.windows.net/oidc", json.RawMessage(issuerKeys))
	if err == nil || got != "" || !strings.Contains(err.Error(), "mode SSE") || !strings.HasPrefix(err.Error(), "cleanroom: publish issuer") {
		t.Errorf("got %q, %v", got, err)
	}
}

// unasked is the credential of whoever makes no request.
type unasked struct{ t *testing.T }

func (u unasked) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	u.t.Error("a token was asked for")
	return azcore.AccessToken{}, errors.New("no token")
}

func TestPublishIssuerRefuses(t *testing.T) {
	const issuer = "https://web.z6.web.core.windows.net/oidc"
	for name, c := range map[string]struct{ url, keys, say string }{
		"no address":       {"", issuerKeys, "https URL"},
		"plain address":    {"http://web.z6.web.core.windows.net", issuerKeys, "https URL"},
		"query":            {issuer + "?x", issuerKeys, "https URL"},
		"empty query":      {issuer + "?", issuerKeys, "https URL"},
		"user":             {"https://u@web.z6.web.core.windows.net", issuerKeys, "https URL"},
		"way out":          {issuer + "/../..", issuerKeys, "not clean"},
		"two slashes":      {issuer + "//x", issuerKeys, "not clean"},
		"slashes first":    {"https://web.z6.web.core.windows.net//x", issuerKeys, "not clean"},
		"slashes last":     {issuer + "//", issuerKeys, "not clean"},
		"dot":              {issuer + "/./x", issuerKeys, "not clean"},
		"escaped slash":    {issuer + "%2fx", issuerKeys, "not clean"},
		"escaped way out":  {issuer + "/%2e%2e", issuerKeys, "not clean"},
		"no keys":          {issuer, `{"keys":[]}`, "generate the signing key"},
		"nothing":          {issuer, "", "key set"},
		"no JSON":          {issuer, "keys", "key set"},
		"private key":      {issuer, `{"keys":[{"kty":"RSA","d":"c2VjcmV0"}]}`, "private key"},
		"too few of a set": {issuer, "[]", "key set"},
	} {
		web, _ := memorySink(t)
		got, err := cleanroom.PublishIssuer(t.Context(), web, c.url, json.RawMessage(c.keys))
		if err == nil || got != "" || !strings.Contains(err.Error(), c.say) || !strings.HasPrefix(err.Error(), "cleanroom: publish issuer") || strings.Contains(err.Error(), "c2VjcmV0") {
			t.Errorf("%s: want %q, got %q, %v", name, c.say, got, err)
		}
		for item := range web.List(t.Context()) {
			t.Errorf("%s: published %s", name, item.Name)
		}
	}
	if _, err := cleanroom.PublishIssuer(t.Context(), nil, issuer, json.RawMessage(issuerKeys)); err == nil || !strings.Contains(err.Error(), "$web") {
		t.Errorf("no sink: %v", err)
	}
}

// The keys go first: whoever reads a configuration finds the keys that it
// names.
func TestPublishIssuerOrder(t *testing.T) {
	b := &failing{Backend: datasink.Memory(), on: ".well-known/openid-configuration"}
	web, err := datasink.NewWithBackend(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := cleanroom.PublishIssuer(t.Context(), web, "https://web.z6.web.core.windows.net", json.RawMessage(issuerKeys))
	if !errors.Is(err, errBroken) || issuer != "" {
		t.Errorf("%q, %v", issuer, err)
	}
	if got := contentOf(t, web, "openid/v1/jwks"); got != issuerKeys {
		t.Errorf("keys %s", got)
	}
	b.on = "openid/v1/jwks"
	b.Backend = datasink.Memory()
	if _, err := cleanroom.PublishIssuer(t.Context(), web, "https://web.z6.web.core.windows.net", json.RawMessage(issuerKeys)); !errors.Is(err, errBroken) {
		t.Error(err)
	}
	if _, err := web.Open(t.Context(), ".well-known/openid-configuration"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a configuration without keys: %v", err)
	}
}

var errBroken = errors.New("the store is broken")

// failing is a backend that begins no write of one name.
type failing struct {
	datasink.Backend
	on string
}

func (f *failing) Begin(ctx context.Context, name string, opts datasink.UploadOptions) (datasink.Upload, error) {
	if name == f.on {
		return nil, errBroken
	}
	return f.Backend.Begin(ctx, name, opts)
}
