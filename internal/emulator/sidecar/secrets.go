package sidecar

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/cleanroom-go/sdk/internal/redact"
	"github.com/cleanroom-go/sdk/skr"
)

// SecretsOptions are those of [NewSecrets].
type SecretsOptions struct {
	Generation Generation
	// Attester, Credential and Azure are the direct way from this guest.
	Attester   skr.Attester
	Credential skr.CredentialFunc
	Azure      azcore.ClientOptions
	// Releaser are the options of a release.
	Releaser skr.ReleaserOptions
}

// Secrets emulates the secrets sidecar: POST /secrets/unwrap. As the genuine
// one it keeps nothing, so that every secret costs the whole chain, drops port
// and path of the KEK's endpoints, and passes on the status and the body of the
// hop that failed. It is an [http.Handler].
type Secrets struct{ o SecretsOptions }

// NewSecrets makes the sidecar of a guest.
func NewSecrets(o SecretsOptions) *Secrets { return &Secrets{o} }

type unwrapRequest struct {
	ClientID    string `json:"clientId"`
	TenantID    string `json:"tenantId"`
	KID         string `json:"kid"`
	AKVEndpoint string `json:"akvEndpoint"`
	KEK         struct {
		KID         string `json:"kid"`
		AKVEndpoint string `json:"akvEndpoint"`
		MAAEndpoint string `json:"maaEndpoint"`
	} `json:"kek"`
}

func (in *unwrapRequest) missing() (names []string) {
	for _, m := range []struct{ name, value string }{
		{"clientId", in.ClientID}, {"tenantId", in.TenantID}, {"kid", in.KID}, {"akvEndpoint", in.AKVEndpoint},
		{"kek.kid", in.KEK.KID}, {"kek.akvEndpoint", in.KEK.AKVEndpoint}, {"kek.maaEndpoint", in.KEK.MAAEndpoint},
	} {
		if m.value == "" {
			names = append(names, m.name)
		}
	}
	return names
}

// ServeHTTP implements http.Handler.
func (s *Secrets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/secrets/unwrap" || r.Method != http.MethodPost {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	var in unwrapRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&in); err != nil {
		missing(w, "$")
		return
	}
	if absent := in.missing(); absent != nil {
		missing(w, absent...)
		return
	}
	plain, err := s.unwrap(r, in)
	if err != nil {
		s.refuse(w, in.KEK.KID, err)
		return
	}
	defer redact.Clear(plain)
	objects(w, http.StatusOK, map[string][]byte{"value": plain})
}

// unwrap is the direct way, with nothing kept.
func (s *Secrets) unwrap(r *http.Request, in unwrapRequest) ([]byte, error) {
	body, err := json.Marshal(map[string]any{
		"clientId": in.ClientID, "tenantId": in.TenantID, "kid": in.KID, "akvEndpoint": in.AKVEndpoint,
		"kek": map[string]string{"kid": in.KEK.KID, "akvEndpoint": bareHost(in.KEK.AKVEndpoint), "maaEndpoint": bareHost(in.KEK.MAAEndpoint)},
	})
	if err != nil {
		return nil, err
	}
	var ref skr.SecretRef
	if err := json.Unmarshal(body, &ref); err != nil {
		return nil, err
	}
	opts := s.o.Releaser
	opts.TTL = -1
	releaser, err := skr.NewReleaser(s.o.Attester, &opts)
	if err != nil {
		return nil, err
	}
	defer releaser.Close()
	unwrapper, err := skr.NewSecretUnwrapper(releaser, s.o.Credential, &skr.SecretUnwrapperOptions{ClientOptions: s.o.Azure})
	if err != nil {
		return nil, err
	}
	return unwrapper.Unwrap(r.Context(), ref)
}

// refuse passes a hop's status and body on: that of the SKR sidecar for a
// release, which is a text, else the vault's own, which is an object.
func (s *Secrets) refuse(w http.ResponseWriter, kid string, err error) {
	var resp *azcore.ResponseError
	if !errors.As(err, &resp) || resp.RawResponse == nil {
		exception(w, "CryptographicException", err.Error())
		return
	}
	body, _ := runtime.Payload(resp.RawResponse)
	if req := resp.RawResponse.Request; req == nil || req.Method != http.MethodGet {
		text := "releasing the key " + kid + " failed: pulling AKV response body failed: " + statusText(string(body), resp.StatusCode)
		objects(w, http.StatusForbidden, s.o.Generation.failure(whatReleased, text))
		return
	}
	if !json.Valid(body) {
		body, _ = json.Marshal(string(body))
	}
	objects(w, resp.StatusCode, json.RawMessage(body))
}
