package cleanroom

import (
	"encoding/json"
	"errors"
)

// ImagePolicy is what the policy pins of an image.
type ImagePolicy struct {
	Layers      []string
	Environment []string
	Command     []string
	WorkingDir  string
}

// GenerateOptions are the inputs beside the document.
type GenerateOptions struct {
	ContractID         string
	GovernanceEndpoint string
	ServiceCertificate []byte
	Images             map[string]ImagePolicy
	Location           string
	Limits             Limits
}

// ParseTemplate reads a template.
func ParseTemplate(b []byte) (*Template, error) { return nil, errors.ErrUnsupported }

// Template is a deployment template.
type Template struct{ raw json.RawMessage }
