package cleanroom

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Generation is the form of a document. The reference tools changed it between
// releases, and a tool of one form does not read the other: release 1.0.0
// writes G1, releases 3.0.0 to 8.0.0 write G2.
type Generation int

const (
	// G2 is the form that this package deploys; it is the zero value.
	G2 Generation = iota
	// G1 is read, written, merged and validated. [Generate] refuses it:
	// [Specification.Upgrade] it first.
	G1

	// anyGeneration has the fields of all, for comparing.
	anyGeneration Generation = -1
)

func (g Generation) String() string {
	switch g {
	case G1:
		return "G1"
	case G2:
		return "G2"
	}
	return fmt.Sprintf("Generation(%d)", int(g))
}

// has reports whether a field or value that is marked belongs to the form.
func (g Generation) has(only string) bool {
	return only == "" || g == anyGeneration || strings.EqualFold(only, g.String())
}

// onlyG2 are the words of enumerations that came with G2.
var onlyG2 = map[string]bool{
	"":    true, // no mode of encryption
	"Cgs": true, "Cgs_Secret": true, "Azure_BlobStorage_DataLakeGen2": true, "Aws_S3": true,
	"SecureVolume__ReadOnly__Azure__BlobStorage__DataLakeGen2": true, "SecureVolume__ReadWrite__Azure__BlobStorage__DataLakeGen2": true,
	"SecureVolume__ReadOnly__Aws__S3": true, "SecureVolume__ReadWrite__Aws__S3": true,
}

// valuesIn is what an enumeration has in a form.
func valuesIn(e enumeration, g Generation) []string {
	if g != G1 {
		return e.values()
	}
	var values []string
	for _, v := range e.values() {
		if !onlyG2[v] {
			values = append(values, v)
		}
	}
	return values
}

// ApplicationEndpoint opens a port of an application to inbound traffic, in
// documents of [G1]; G2 has [NetworkSettings] instead.
type ApplicationEndpoint struct {
	// Type is Open.
	Type       string               `yaml:"type,required"`
	Port       int                  `yaml:"port,required"`
	Protection PrivacyProxySettings `yaml:"protection,required"`
}

// NewSpecificationG1 returns a document of the form [G1] with nothing but the
// governance identity.
func NewSpecificationG1() *Specification {
	s := NewSpecification()
	s.Generation = G1
	s.ApplicationEndpoints = []ApplicationEndpoint{}
	return s
}

// ParseSpecificationG1 reads a document of the form [G1], as strictly as
// [ParseSpecification] does one of G2. The form is not guessed: what a tool
// of the other form leaves out of a document would vanish without a word.
func ParseSpecificationG1(b []byte) (*Specification, error) {
	return parseSpecification(b, G1)
}

// ReadSpecificationG1 reads the document in a file; see [ParseSpecificationG1].
func ReadSpecificationG1(file string) (*Specification, error) {
	return readSpecification(file, G1)
}

// writeConfiguration writes a configuration as the tools of the form do: base64
// of JSON, or a Python dictionary with the key type first.
func (g Generation) writeConfiguration(m map[string]string) string {
	if g != G1 {
		return EncodeConfiguration(m)
	}
	var items []string
	for _, k := range configurationOrder(m) {
		items = append(items, quotePython(k)+": "+quotePython(m[k]))
	}
	return "{" + strings.Join(items, ", ") + "}"
}

// configurationOrder is the order of the tools, and then of the alphabet.
func configurationOrder(m map[string]string) []string {
	var keys []string
	if _, ok := m["KeyType"]; ok {
		keys = append(keys, "KeyType")
	}
	for _, k := range sortedNames(m) {
		if k != "KeyType" {
			keys = append(keys, k)
		}
	}
	return keys
}

func quotePython(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// rewrite puts the configurations of an access point into the form.
func (a *AccessPoint) rewrite(g Generation) error {
	p := &a.Protection
	texts := []*string{&p.Configuration, &a.Store.Provider.Configuration}
	if p.EncryptionSecrets != nil {
		texts = append(texts, &p.EncryptionSecrets.DEK.Secret.BackingResource.Provider.Configuration)
		if k := p.EncryptionSecrets.KEK; k != nil {
			texts = append(texts, &k.Secret.BackingResource.Provider.Configuration)
		}
	}
	for _, s := range texts {
		if err := rewriteConfiguration(s, g); err != nil {
			return fmt.Errorf("access point %q: %w", shorten(a.Name, 80), err)
		}
	}
	return nil
}

func rewriteConfiguration(s *string, g Generation) error {
	if *s == "" {
		return nil
	}
	m, err := DecodeConfiguration(*s)
	if err != nil {
		return err
	}
	*s = g.writeConfiguration(m)
	return nil
}

var errOnlyG2 = errors.New("the document is of generation G1, which has no such setting; upgrade it")

// otherReader names what reads the other form.
func (g Generation) otherReader() string {
	if g == G1 {
		return "ReadSpecification or ParseSpecification"
	}
	return "ReadSpecificationG1 or ParseSpecificationG1"
}

func sortedNames(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
