package vault

import (
	"context"
	"net/http"
	"strings"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
)

// maxSecret is the service's limit of a secret's value in bytes.
const maxSecret = 25 << 10

// secretVersion is one version of a secret, as it is answered.
type secretVersion struct {
	version     string
	Value       string            `json:"value"`
	ID          string            `json:"id"`
	ContentType string            `json:"contentType,omitempty"`
	Attributes  attributes        `json:"attributes"`
	Tags        map[string]string `json:"tags,omitempty"`
}

func (s *Server) setSecret(_ context.Context, c *call) (any, error) {
	var in struct {
		Value       *string           `json:"value"`
		ContentType string            `json:"contentType"`
		Attributes  givenAttributes   `json:"attributes"`
		Tags        map[string]string `json:"tags"`
	}
	if err := c.read(&in); err != nil {
		return nil, err
	}
	switch {
	case in.Value == nil:
		return nil, badParameter("Property value is required.")
	case len(*in.Value) > maxSecret:
		return nil, badParameter("The value of the secret has %d bytes; the maximum is 25k.", len(*in.Value))
	}
	v := &secretVersion{
		version: newVersion(), Value: *in.Value, ContentType: in.ContentType, Tags: in.Tags,
		Attributes: fresh(in.Attributes, s.now().Unix()),
	}
	v.ID = c.id("secrets", c.name, v.version)
	s.mu.Lock()
	defer s.mu.Unlock()
	secrets := s.vault(c.host).secrets
	name := strings.ToLower(c.name)
	secrets[name] = append(secrets[name], v)
	return v, nil
}

func (s *Server) getSecret(_ context.Context, c *call) (any, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found *secretVersion
	if v := s.vaults[c.host]; v != nil {
		found = find(v.secrets[strings.ToLower(c.name)], c.version, func(v *secretVersion) string { return v.version })
	}
	switch {
	case found == nil:
		return nil, wire.Errorf(http.StatusNotFound, "SecretNotFound", "A secret with (name/id) %s was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command.", c.path())
	case !found.Attributes.Enabled:
		return nil, forbidden("SecretDisabled", "Operation get is not allowed on a disabled secret.")
	}
	return found, nil
}
