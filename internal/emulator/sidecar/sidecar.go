// Package sidecar emulates the sidecars of a clean room: [Sidecar] that of the
// governance service, [KeyRelease] that of secure key release, [Identity] that
// of identities and [Secrets] that of secrets.
//
// The first is ccr-governance of release 8.0.0, as far as a room's program must
// have it: secrets, tokens, consent, events, documents, certificates, signatures
// and delegates. Its other paths answer 404.
//
// As the genuine one it listens without asking anybody who they are, takes no
// body where none is needed, sets the times of tokens itself and returns from an
// event when it is committed. Refusals of the service keep their status and
// code; what the sidecar refuses itself is a 400, and what goes wrong in it a
// 500 with the name of an exception as the code. Behind it is this module's own
// room client, so that the service sees real evidence. Unlike the genuine one it
// does not repeat calls for a minute, and does not copy the service's headers.
package sidecar

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/cleanroom-go/sdk/governance"
)

// maxBody bounds what a program may send.
const maxBody = 1 << 20

// Sidecar answers for one room; it is an [http.Handler].
type Sidecar struct {
	room     *governance.RoomClient
	upstream *Upstream
	mux      *http.ServeMux
}

// New makes a sidecar of a room's own client, which stays the caller's to close.
// The client has the key and the evidence of the upstream.
func New(room *governance.RoomClient, upstream *Upstream) *Sidecar {
	s := &Sidecar{room: room, upstream: upstream, mux: http.NewServeMux()}
	for pattern, serve := range map[string]func(*http.Request) (any, error){
		"POST /secrets/{id}":          s.secret,
		"PUT /secrets/{name}":         s.putSecret,
		"POST /consentcheck/{option}": s.consent,
		"POST /oauth/token":           s.token,
		"PUT /events":                 s.event,

		"POST /memberdocuments/{id}":                     s.document("memberdocuments"),
		"POST /userdocuments/{id}":                       s.document("userdocuments"),
		"POST /userdocuments/{id}/consentcheck/{option}": s.documentConsent,
		"POST /ca/generateEndorsedCert":                  s.endorsedCert,
		"POST /signing/sign":                             s.sign,
		"POST /cleanroompolicy/delegates/{type}/{id}":    s.delegate,
	} {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			answer, err := serve(r)
			var service *refused
			if errors.As(err, &service) {
				write(w, service.status, json.RawMessage(service.body))
				return
			}
			if err != nil {
				status, body := refusal(err)
				write(w, status, map[string]any{"error": body})
				return
			}
			write(w, http.StatusOK, answer)
		})
	}
	return s
}

// ServeHTTP implements http.Handler.
func (s *Sidecar) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

type value struct {
	Value string `json:"value"`
}

func (s *Sidecar) secret(r *http.Request) (any, error) {
	plain, err := s.room.Secret(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return value{string(plain)}, nil
}

func (s *Sidecar) putSecret(r *http.Request) (any, error) {
	var body struct {
		Value *string `json:"value"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Value == nil {
		return nil, badRequest{Code: "ValueMissing", Message: "the body is no JSON object with a value"}
	}
	id, err := s.room.PutSecret(r.Context(), r.PathValue("name"), *body.Value)
	if err != nil {
		return nil, err
	}
	return map[string]string{"secretId": id}, nil
}

func (s *Sidecar) token(r *http.Request) (any, error) {
	q := r.URL.Query()
	for _, name := range []string{"sub", "tenantId", "aud"} {
		if q.Get(name) == "" {
			return nil, badRequest{Code: "InvalidInput", Message: name + " is missing"}
		}
	}
	token, err := s.room.Token(r.Context(), governance.TokenRequest{
		Subject: q.Get("sub"), TenantID: q.Get("tenantId"), Audience: q.Get("aud"), Issuer: q.Get("iss"),
	})
	if err != nil {
		return nil, err
	}
	return value{token}, nil
}

func (s *Sidecar) consent(r *http.Request) (any, error) {
	option := governance.RuntimeOption(r.PathValue("option"))
	status, err := s.room.Consent(r.Context(), option)
	if err != nil {
		return nil, err
	}
	return statusObject(status), nil
}

// statusObject is that of the service, with a reason or with proposals, as it
// depends on the option.
func statusObject(status *governance.OptionStatus) map[string]any {
	out := map[string]any{"status": "disabled"}
	if status.Enabled {
		out["status"] = "enabled"
	}
	if status.ReasonCode != "" {
		out["reason"] = map[string]string{"code": status.ReasonCode, "message": status.Reason}
	}
	if status.ProposalIDs != nil {
		out["proposalIds"] = status.ProposalIDs
	}
	return out
}

func (s *Sidecar) event(r *http.Request) (any, error) {
	body, err := object(r)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	return nil, s.room.PutEvent(r.Context(), json.RawMessage(body), &governance.PutEventOptions{ID: q.Get("id"), Scope: q.Get("scope")})
}

// object reads the body, which must be a JSON object.
func object(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, badRequest{Code: "InvalidInput", Message: "the body is too long or incomplete"}
	}
	if body = bytes.TrimSpace(body); !json.Valid(body) || body[0] != '{' {
		return nil, badRequest{Code: "InvalidInput", Message: "the body is not a JSON object"}
	}
	return body, nil
}

// badRequest is a refusal of the sidecar's own.
type badRequest errorBody

func (e badRequest) Error() string { return e.Code + ": " + e.Message }

type errorBody struct {
	Code    string                   `json:"code"`
	Message string                   `json:"message"`
	Details []governance.ErrorDetail `json:"details,omitempty"`
}

// refusal turns an error into what the genuine sidecar would say.
func refusal(err error) (int, errorBody) {
	var own badRequest
	var service *governance.ServiceError
	switch {
	case errors.As(err, &own):
		return http.StatusBadRequest, errorBody(own)
	case errors.As(err, &service):
		status := service.StatusCode
		if status == 0 {
			// The room client spared the service a refusal.
			status = http.StatusBadRequest
		}
		return status, errorBody{service.Code, service.Message, service.Details}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return http.StatusInternalServerError, errorBody{Code: "TaskCanceledException", Message: "A task was canceled."}
	}
	return http.StatusInternalServerError, errorBody{Code: "HttpRequestException", Message: err.Error()}
}

func write(w http.ResponseWriter, status int, answer any) {
	if answer == nil {
		w.WriteHeader(status)
		return
	}
	body, err := json.Marshal(answer)
	if err != nil {
		panic("sidecar: internal error: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
