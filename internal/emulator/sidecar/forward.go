package sidecar

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/cleanroom-go/sdk/governance"
)

// document reads what a room may read of a collection.
func (s *Sidecar) document(collection string) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		plain, err := s.upstream.opened(r.Context(), "/"+collection+"/accepted/"+url.PathEscape(r.PathValue("id")), s.upstream.attested())
		return json.RawMessage(plain), err
	}
}

// endorsedCert signs what the program sent, and does not look at it.
func (s *Sidecar) endorsedCert(r *http.Request) (any, error) {
	data, err := object(r)
	if err != nil {
		return nil, err
	}
	body, err := s.upstream.signed(data)
	if err != nil {
		return nil, err
	}
	plain, err := s.upstream.opened(r.Context(), "/ca/generateEndorsedCert", body)
	return json.RawMessage(plain), err
}

func (s *Sidecar) sign(r *http.Request) (any, error) {
	data, err := object(r)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Payload any `json:"payload"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, badRequest{Code: "InvalidInput", Message: "the body is not a JSON object"}
	}
	body := s.upstream.attested()
	body["payload"] = doc.Payload
	plain, err := s.upstream.opened(r.Context(), "/signing/sign", body)
	return value{string(plain)}, err
}

// delegate waits for the commit, as the room client does.
func (s *Sidecar) delegate(r *http.Request) (any, error) {
	data, err := object(r)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Type       string         `json:"type"`
		PolicyType string         `json:"policyType"`
		Claims     map[string]any `json:"claims"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, badRequest{Code: "InvalidInput", Message: "the body is no policy"}
	}
	return nil, s.room.SetDelegatePolicy(r.Context(), governance.Delegate{Type: r.PathValue("type"), ID: r.PathValue("id")},
		governance.PolicyUpdate{Type: doc.Type, PolicyType: doc.PolicyType, Claims: doc.Claims})
}

func (s *Sidecar) documentConsent(r *http.Request) (any, error) {
	status, err := s.room.UserDocumentConsent(r.Context(), r.PathValue("id"), governance.RuntimeOption(r.PathValue("option")))
	if err != nil {
		return nil, err
	}
	return statusObject(status), nil
}
