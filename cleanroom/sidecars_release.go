package cleanroom

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// SidecarRelease is a published release of the sidecars. Its documents say
// which images there are, and for each image which container it makes and what
// the platform's policy pins of it; all parties must use the same.
type SidecarRelease struct {
	// Registry has the images, as mcr.microsoft.com/azurecleanroom.
	Registry string
	// Version is the release's, as 8.0.0.
	Version string
	// Digests is the document sidecar-digests of the version.
	Digests []byte
	// PolicyDocument reads the policy document of an image: the file in the
	// artifact policies/NAME@DIGEST of the registry. Whoever reads it compares it
	// with the digest, and keeps it under the digest if at all: another
	// release has other documents of the same name.
	PolicyDocument func(ctx context.Context, name, digest string) ([]byte, error)
}

// maxSidecarDocument bounds a document of a release; real ones have under 20 KB.
const maxSidecarDocument = 1 << 20

// sidecarImage is an entry of the document sidecar-digests. Further keys are
// about other tools.
type sidecarImage struct {
	Image          string `yaml:"image"`
	Digest         string `yaml:"digest"`
	PolicyDocument string `yaml:"policyDocument"`
	PolicyDigest   string `yaml:"policyDocumentDigest"`

	template, policy any
}

// governanceBundle has the rules of the control API.
const governanceBundle = "policies/ccr-governance-opa-policy"

// sidecarImages are those that a room may need.
var sidecarImages = []string{
	"code-launcher", "identity", "ccr-proxy", "ccr-proxy-ext-processor", "blobfuse-launcher",
	"otel-collector", "ccr-governance", "skr", "ccr-secrets", "ccr-init",
}

var manifestDigest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// load reads the release's documents.
func (g *sidecarGenerator) load(ctx context.Context) error {
	r := g.release
	switch {
	case r.Registry == "" || strings.ContainsAny(r.Registry, " @\"\\") || strings.HasSuffix(r.Registry, "/"):
		return fmt.Errorf("the registry %q is not one; it is mcr.microsoft.com/azurecleanroom, without a slash at its end", shorten(r.Registry, 80))
	case r.Version == "" || r.PolicyDocument == nil:
		return errors.New("the release has no version or no way to its policy documents")
	case len(r.Digests) > maxSidecarDocument:
		return fmt.Errorf("the document of digests has %d bytes, more than %d", len(r.Digests), maxSidecarDocument)
	}
	var list []sidecarImage
	if err := yaml.Unmarshal(r.Digests, &list); err != nil {
		return fmt.Errorf("document of digests: %w", err)
	}
	g.images = map[string]*sidecarImage{}
	for i := range list {
		image := &list[i]
		if g.images[image.Image] != nil {
			return fmt.Errorf("document of digests: the image %q is there twice", shorten(image.Image, 80))
		}
		if !manifestDigest.MatchString(image.Digest) {
			return fmt.Errorf("document of digests: the digest %q of %q is not sha256: and 64 lower case hex digits", shorten(image.Digest, 100), shorten(image.Image, 80))
		}
		g.images[image.Image] = image
	}
	if g.images[governanceBundle] == nil {
		return fmt.Errorf("document of digests: %s is missing; is it the document of release %s?", governanceBundle, r.Version)
	}
	for _, name := range sidecarImages {
		image := g.images[name]
		if image == nil {
			return fmt.Errorf("document of digests: the image %s is missing; is it the document of release %s?", name, r.Version)
		}
		if err := image.read(ctx, r); err != nil {
			return fmt.Errorf("policy document of %s: %w", name, err)
		}
	}
	return nil
}

func (i *sidecarImage) read(ctx context.Context, r *SidecarRelease) error {
	if i.PolicyDocument == "" || !manifestDigest.MatchString(i.PolicyDigest) {
		return errors.New("the document of digests does not pin it")
	}
	b, err := r.PolicyDocument(ctx, i.PolicyDocument, i.PolicyDigest)
	if err != nil {
		return err
	}
	if len(b) > maxSidecarDocument {
		return fmt.Errorf("%d bytes, more than %d", len(b), maxSidecarDocument)
	}
	var doc struct {
		Image    string         `yaml:"image"`
		Template map[string]any `yaml:"templateJson"`
		Policy   struct {
			Rego map[string]any `yaml:"rego"`
		} `yaml:"policy"`
	}
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return err
	}
	if doc.Image != i.Image || doc.Template == nil || doc.Policy.Rego == nil {
		return fmt.Errorf("it is about the image %q, and must have templateJson and policy.rego of %s", shorten(doc.Image, 80), i.Image)
	}
	i.template, i.policy = doc.Template, doc.Policy.Rego
	return nil
}

var placeholder = regexp.MustCompile(`\$(?:(\$)|\{([_A-Za-z][_A-Za-z0-9]*)\}|([_A-Za-z][_A-Za-z0-9]*)|)`)

// fill copies a fragment of a policy document with its placeholders replaced.
// literal is applied to each text that had one.
func fill(v any, values map[string]string, literal func(string) string) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		filled := make(map[string]any, len(v))
		for k, item := range v {
			var err error
			if filled[k], err = fill(item, values, literal); err != nil {
				return nil, err
			}
		}
		return filled, nil
	case []any:
		filled := make([]any, len(v))
		for i := range v {
			var err error
			if filled[i], err = fill(v[i], values, literal); err != nil {
				return nil, err
			}
		}
		return filled, nil
	case string:
		if !strings.Contains(v, "$") {
			return v, nil
		}
		unknown := ""
		text := placeholder.ReplaceAllStringFunc(v, func(m string) string {
			if m == "$$" {
				return "$"
			}
			value, ok := values[strings.Trim(m, "${}")]
			if !ok {
				unknown = m
			}
			return value
		})
		if unknown != "" {
			return nil, fmt.Errorf("the placeholder %q is not known; the document is of another release", shorten(unknown, 80))
		}
		return literal(text), nil
	}
	return v, nil
}
