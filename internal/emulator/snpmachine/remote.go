package snpmachine

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
	"github.com/cleanroom-go/sdk/skr"
)

// maxRuntimeData bounds what a guest may bind in one report; a key set has
// about 500 bytes.
const maxRuntimeData = 64 << 10

type attestRequest struct {
	RuntimeData []byte `json:"runtimeData"`
}

type attestAnswer struct {
	Report          []byte `json:"report"`
	Certificates    []byte `json:"certificates"`
	UVMEndorsements []byte `json:"uvmEndorsements"`
	RuntimeData     []byte `json:"runtimeData"`
}

// Handler lets guests in other processes attest:
//
//	POST /guests/{id}/attest
//	Authorization: Bearer <the guest's secret>
//	{"runtimeData": "<base64>"}
//
// The answer holds the members of [skr.Evidence] in base64.
func (m *Machine) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /guests/{id}/attest", m.serveAttest)
	return mux
}

func (m *Machine) serveAttest(w http.ResponseWriter, r *http.Request) {
	secret, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	g := m.guest(r.PathValue("id"))
	// One answer for an unknown guest and a wrong secret: ids are not secret,
	// but which of them live is nobody else's business.
	if g == nil || subtle.ConstantTimeCompare([]byte(secret), []byte(g.secret)) != 1 {
		wire.Fail(w, wire.Errorf(http.StatusUnauthorized, "Unauthorized", "no guest of this id has this secret"))
		return
	}
	var in attestRequest
	if err := wire.ReadJSON(r.Body, &in); err != nil {
		wire.Fail(w, wire.Errorf(http.StatusBadRequest, "InvalidRequest", "body: %v", err))
		return
	}
	if len(in.RuntimeData) == 0 || len(in.RuntimeData) > maxRuntimeData {
		wire.Fail(w, wire.Errorf(http.StatusBadRequest, "InvalidRequest", "runtimeData has %d bytes, want 1 to %d", len(in.RuntimeData), maxRuntimeData))
		return
	}
	ev, err := g.Attest(r.Context(), in.RuntimeData)
	if err != nil {
		wire.Fail(w, err)
		return
	}
	wire.JSON(w, http.StatusOK, attestAnswer{
		Report: ev.Report, Certificates: ev.Certificates, UVMEndorsements: ev.UVMEndorsements, RuntimeData: ev.RuntimeData,
	})
}

type remoteGuest struct {
	client      *http.Client
	url, secret string
}

// RemoteGuest attests as a guest of the machine whose [Machine.Handler] stands
// at baseURL, an https URL. It follows no redirect.
func RemoteGuest(client *http.Client, baseURL, id, secret string) skr.Attester {
	return &remoteGuest{
		client: wire.NoRedirect(client),
		url:    strings.TrimSuffix(baseURL, "/") + "/guests/" + url.PathEscape(id) + "/attest",
		secret: secret,
	}
}

func (g *remoteGuest) Attest(ctx context.Context, runtimeData []byte) (*skr.Evidence, error) {
	ev, err := g.attest(ctx, runtimeData)
	if err != nil {
		return nil, fmt.Errorf("snpmachine: attest at %s: %w", g.url, err)
	}
	return ev, nil
}

func (g *remoteGuest) attest(ctx context.Context, runtimeData []byte) (*skr.Evidence, error) {
	body, err := json.Marshal(attestRequest{runtimeData})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+g.secret)
	req.Header.Set("Content-Type", "application/json")
	res, err := g.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if body, err = wire.ReadBounded(res.Body); err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		var refusal struct{ Error wire.ErrorBody }
		if wire.Unmarshal(body, &refusal) == nil && refusal.Error.Code != "" {
			return nil, wire.Errorf(res.StatusCode, refusal.Error.Code, "%s", refusal.Error.Message)
		}
		return nil, fmt.Errorf("answered %s", res.Status)
	}
	var out attestAnswer
	if err := wire.Unmarshal(body, &out); err != nil {
		return nil, err
	}
	return &skr.Evidence{
		Report: out.Report, Certificates: out.Certificates, UVMEndorsements: out.UVMEndorsements, RuntimeData: out.RuntimeData,
	}, nil
}
