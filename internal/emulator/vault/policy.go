package vault

import (
	"github.com/cleanroom-go/sdk/internal/emulator/wire"
	"github.com/cleanroom-go/sdk/skr"
)

// policyJSON is a release policy on the wire.
type policyJSON struct {
	ContentType string `json:"contentType,omitempty"`
	Data        string `json:"data"` // base64url of the policy document
	Immutable   bool   `json:"immutable"`
}

const policyContentType = "application/json; charset=utf-8"

// releasePolicy keeps the document as it was given beside its meaning.
type releasePolicy struct {
	raw         []byte
	contentType string
	immutable   bool
	parsed      *skr.ReleasePolicy
}

func (p *releasePolicy) json() *policyJSON {
	return &policyJSON{ContentType: p.contentType, Data: wire.Encode64(p.raw), Immutable: p.immutable}
}

// newPolicy reads a policy that is to take the place of old, which may be nil.
func (s *Server) newPolicy(in *policyJSON, exportable bool, old *releasePolicy) (*releasePolicy, error) {
	if !exportable {
		return nil, badParameter("AKV.SKR.1005: Non-exportable keys must not have release policy.")
	}
	raw, err := wire.Decode64(in.Data)
	if err != nil {
		return nil, badParameter("The release policy is not base64url: %v", err)
	}
	p := &releasePolicy{raw: raw, contentType: in.ContentType, immutable: in.Immutable}
	if p.contentType == "" {
		p.contentType = policyContentType
	}
	if p.parsed, err = skr.ParseReleasePolicy(raw); err != nil {
		return nil, badParameter("The release policy is not valid: %v", err)
	}
	if old != nil && old.immutable && !(p.immutable && p.parsed.Equal(old.parsed)) {
		return nil, badParameter("AKV.SKR.1020: Immutable Key Release Policy cannot be modified.")
	}
	return p, nil
}
