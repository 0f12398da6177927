package vault

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azlog "github.com/Azure/azure-sdk-for-go/sdk/azcore/log"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/cleanroom-go/sdk/skr"
)

// witness keeps what a log, a trace or a printed value shows.
type witness struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *witness) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *witness) record(v any) {
	b, _ := json.Marshal(v)
	fmt.Fprintf(w, "%v %+v %#v %s %q %x %s\n", v, v, v, v, v, v, b)
	log := slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
	log.Debug("canary", "value", v)
}

// tracer writes every span, attribute and event that the Azure clients make.
func (w *witness) tracer() tracing.Provider {
	span := tracing.NewSpan(tracing.SpanImpl{
		End:           func() {},
		SetAttributes: func(a ...tracing.Attribute) { fmt.Fprintf(w, "trace %+v\n", a) },
		AddEvent:      func(name string, a ...tracing.Attribute) { fmt.Fprintf(w, "trace %s %+v\n", name, a) },
		SetStatus:     func(_ tracing.SpanStatus, text string) { fmt.Fprintf(w, "trace status %s\n", text) },
	})
	return tracing.NewProvider(func(string, string) tracing.Tracer {
		return tracing.NewTracer(func(ctx context.Context, name string, o *tracing.SpanOptions) (context.Context, tracing.Span) {
			fmt.Fprintf(w, "trace %s %+v\n", name, o)
			return ctx, span
		}, &tracing.TracerOptions{SpanFromContext: func(context.Context) tracing.Span { return span }})
	}, nil)
}

// A password is released, read, opened, and refused in several ways, with
// everything logged that can be. No key, token or secret is in it.
func TestCanaries(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	seen := &witness{}
	azlog.SetListener(func(e azlog.Event, message string) { fmt.Fprintln(seen, e, message) })
	defer azlog.SetListener(nil)

	// What the wire carries is the canary, so it is taken from the wire.
	var mu sync.Mutex
	tokens := map[string]string{}
	client := &http.Client{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
		if _, token, ok := strings.Cut(r.Header.Get("Authorization"), "Bearer "); ok {
			mu.Lock()
			tokens["access token"] = token
			mu.Unlock()
		}
		return w.network.Client.Transport.RoundTrip(r)
	})}
	options := w.options()
	options.Transport = client
	options.Logging.IncludeBody = true
	options.Logging.AllowedHeaders = []string{"Authorization"}
	options.TracingProvider = seen.tracer()

	w.importKEK(t, "kek")
	const password = "canary-password-4711"
	dek := []byte("canary of a data key, 32 bytes!!")
	for name, value := range map[string][]byte{"pw": []byte(password), "dek": dek} {
		wrapped, err := skr.WrapOAEP(&w.kek.PublicKey, value)
		must(t, err)
		_, err = w.secrets(t, w.operatorIdentity).SetSecret(ctx, name, azsecrets.SetSecretParameters{Value: to.Ptr(base64.StdEncoding.EncodeToString(wrapped))}, nil)
		must(t, err)
	}
	_, err := w.secrets(t, w.operatorIdentity).SetSecret(ctx, "clear", azsecrets.SetSecretParameters{Value: to.Ptr(password)}, nil)
	must(t, err)

	run := func(a skr.Attester) {
		r, err := skr.NewReleaser(a, &skr.ReleaserOptions{ClientOptions: options, Roots: w.signing.Pool()})
		must(t, err)
		defer r.Close()
		u, err := skr.NewSecretUnwrapper(r, func(string, string) (azcore.TokenCredential, error) { return w.roomCredential, nil },
			&skr.SecretUnwrapperOptions{ClientOptions: options})
		must(t, err)
		kek := skr.KeyRef{Name: "kek", VaultURL: "https://" + vaultHost, AttestationURL: "https://" + maaHost}
		opened := 0
		for _, name := range []string{"pw", "dek", "clear", "none"} {
			plain, err := u.Unwrap(ctx, skr.SecretRef{ClientID: room, TenantID: tenant, Name: name, VaultURL: "https://" + vaultHost, KEK: kek})
			if string(plain) == password || string(plain) == string(dek) {
				opened++
			}
			seen.record(err)
		}
		key, err := r.Release(ctx, kek, w.roomCredential)
		seen.record(err)
		for _, v := range []any{r, u, key, kek} {
			seen.record(v)
		}
		if err != nil {
			return
		}
		if opened != 2 {
			t.Errorf("%d secrets were opened, want 2", opened)
		}
		decrypter, err := key.Decrypter()
		must(t, err)
		seen.record(decrypter)
		_, err = key.Unwrap(ctx, []byte("not a wrapped value"))
		seen.record(err)
		seen.record(key.Checks())
		must(t, key.Close())
	}
	run(w.guest)
	run(w.machine.Launch([]byte("package other"))) // refused by policy
	attester, err := skr.NewMAAClient(maaHost, &skr.MAAClientOptions{ClientOptions: options})
	must(t, err)
	ev, err := w.guest.Attest(ctx, []byte(w.runtimeData()))
	must(t, err)
	token, err := attester.Attest(ctx, ev, "n")
	must(t, err)
	tokens["attestation token"] = token.Raw()
	seen.record(token)
	seen.record(attester)

	der, err := x509.MarshalPKCS8PrivateKey(w.kek)
	must(t, err)
	text := strings.ToLower(seen.text.String())
	if !strings.Contains(text, "trace ") || !strings.Contains(text, "request") || !strings.Contains(text, strings.ToLower(vaultHost)) {
		t.Error("nothing was logged or traced: the test proves nothing")
	}
	if len(tokens) != 2 {
		t.Errorf("%d tokens were seen, want 2", len(tokens))
	}
	for what, secret := range map[string][]byte{
		"KEK": der[60:110], "prime": w.kek.Primes[0].Bytes(), "exponent": w.kek.D.Bytes(), "DEK": dek, "password": []byte(password),
		"access token": []byte(tokens["access token"]), "attestation token": []byte(tokens["attestation token"]),
	} {
		for form, canary := range map[string]string{
			"as it is": string(secret), "in hexadecimal": hex.EncodeToString(secret), "as numbers": strings.Trim(fmt.Sprint(secret), "[]"),
			"in base64": strings.TrimRight(base64.StdEncoding.EncodeToString(secret), "="), "in base64url": base64.RawURLEncoding.EncodeToString(secret),
		} {
			if strings.Contains(text, strings.ToLower(canary)) {
				t.Errorf("%s was found %s", what, form)
			}
		}
	}
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
