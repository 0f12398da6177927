package dbsecret

import (
	"encoding/json"
	"errors"

	"github.com/cleanroom-go/sdk/skr"
)

// Document describes a database and names its password.
type Document struct {
	Endpoint    string                     `json:"dbEndpoint"`
	Port        int                        `json:"dbPort,omitempty"`
	IP          string                     `json:"dbIP,omitempty"`
	Name        string                     `json:"dbName"`
	User        string                     `json:"dbUser"`
	SSLMode     string                     `json:"sslMode,omitempty"`
	SSLRootCert string                     `json:"sslRootCert,omitempty"`
	Password    skr.SecretRef              `json:"dbPassword"`
	Unknown     map[string]json.RawMessage `json:"-"`
}

// Parse reads a document.
func Parse(value []byte) (*Document, error) { return nil, errors.ErrUnsupported }

// Encode writes a document.
func (d *Document) Encode() (string, error) { return "", errors.ErrUnsupported }

// Validate reports the first member that cannot be used.
func (d *Document) Validate() error { return errors.ErrUnsupported }
