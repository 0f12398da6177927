package cleanroom

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/cleanroom-go/sdk/internal/check"
	"github.com/cleanroom-go/sdk/skr"
)

// vaults reads what the room will unwrap, and what it is wrapped under. The
// error is the end of ctx.
func (p *planner) vaults(ctx context.Context) error {
	if p.in.Keys == nil {
		p.unproven("VaultsUnread", "vaults", "whether the keys and secrets are there, and belong together", "give Keys")
		return nil
	}
	read := map[string]bool{}
	p.accessPoints(func(path string, a *AccessPoint) {
		ref, err := a.DEK()
		if err == nil {
			ref, err = ref.Normalize()
		}
		if err != nil || read[secretPlace(ref.VaultURL, ref.Name)] {
			return // SSE, an issue of the document, or a shared data store
		}
		read[secretPlace(ref.VaultURL, ref.Name)] = true
		p.wrapped(ctx, path, "DEKMissing", ref)
	})
	for _, s := range p.in.Secrets {
		if s.Database == nil {
			continue
		}
		if ref, err := s.Database.Password.Normalize(); err == nil {
			p.wrapped(ctx, "secret "+shown(s.ID), "PasswordMissing", ref)
		}
	}
	return ctx.Err()
}

// wrapped proves that one value is there, and that the room will have released
// the key that opens it.
func (p *planner) wrapped(ctx context.Context, subject, missing string, ref skr.SecretRef) {
	secrets, err := p.in.Keys.secretClient(ref.VaultURL)
	if err != nil {
		p.fail("VaultUnusable", subject, check.Printable(err.Error()), "correct the vault's address")
		return
	}
	stored, err := secrets.GetSecret(ctx, ref.Name, ref.Version, nil)
	if err != nil {
		p.unread(subject, missing, ref.String(), "Key Vault Secrets User", "have its owner wrap it", err)
		return
	}
	value := ""
	if stored.Value != nil {
		value = strings.TrimSpace(*stored.Value)
	}
	raw, err := base64.StdEncoding.DecodeString(value)
	if err != nil || len(raw) == 0 {
		p.fail("WrappedValueUnreadable", subject, ref.String()+" holds no wrapped value in base64", "have its owner wrap it again")
		return
	}
	if ref.Digest != [32]byte{} && ref.Digest != skr.WrappedDigest(raw) {
		p.fail("secret.digest", subject, ref.String()+" does not hold the value that the reference pins", "wrap it again and publish the new reference, and look who else may set secrets there")
	}
	p.kek(ctx, subject, ref, raw, stored.Secret)
}

func (p *planner) kek(ctx context.Context, subject string, ref skr.SecretRef, raw []byte, stored azsecrets.Secret) {
	tag := func(name string) string {
		if v := stored.Tags[name]; v != nil {
			return *v
		}
		return ""
	}
	if under := tag(skr.TagKEK); under != "" && under != ref.KEK.Name {
		p.fail("WrappedUnderAnotherKEK", subject, fmt.Sprintf("%s is wrapped under %s, the document names %s", ref, shown(under), ref.KEK.Name), "wrap it again under the KEK of the document")
		return
	}
	version := ref.KEK.Version
	// The room of this package follows the tag, the sidecars take the newest.
	if version == "" && !p.in.Sidecars {
		version = tag(skr.TagKEKVersion)
	}
	keys, err := p.in.Keys.keyClient(ref.KEK.VaultURL)
	if err != nil {
		p.fail("VaultUnusable", subject, check.Printable(err.Error()), "correct the vault's address")
		return
	}
	bundle, err := keys.GetKey(ctx, ref.KEK.Name, version, nil)
	if err != nil {
		p.unread(subject, "KEKMissing", ref.KEK.String(), "Key Vault Reader", "have its owner import it, and wrap the value under it", err)
		return
	}
	found, public, err := p.acceptedKEK(subject, ref.KEK, bundle.KeyBundle)
	if err != nil {
		p.fail("KEKUnusable", subject, check.Printable(err.Error()), "have its owner import it again, and wrap the value under it")
		return
	}
	if under := tag(skr.TagKEKVersion); under != "" && under != found.Version {
		p.fail("WrappedUnderOldKEK", subject, fmt.Sprintf("%s was wrapped under version %s of the KEK, the room will get version %s", ref, shown(under), found.Version), "wrap it again: the KEK was imported anew since")
	} else if under == "" && bundle.Attributes != nil && stored.Attributes != nil && before(stored.Attributes.Created, bundle.Attributes.Created) {
		p.fail("WrappedUnderOldKEK", subject, fmt.Sprintf("%s was stored before version %s of its KEK was made", ref, found.Version), "wrap it again: the KEK was imported anew since")
	}
	hybrid := tag(skr.TagAlgorithm) == string(skr.FormHybrid)
	switch {
	case hybrid && p.in.Sidecars:
		p.fail("WrappedFormUnknown", subject, ref.String()+" is wrapped in a form that the sidecars cannot read", "shorten the value to 190 bytes, or use a room without sidecars")
	case public > 0 && !hybrid && len(raw) != public:
		p.fail("WrappedUnderAnotherKEK", subject, fmt.Sprintf("%s has %d bytes; under its KEK a value has %d", ref, len(raw), public), "wrap it again under the KEK of the document")
	}
}

// unread tells apart what is missing, what is another party's to look at, and
// what does not answer.
func (p *planner) unread(subject, missing, what, role, remedy string, err error) {
	var refusal *azcore.ResponseError
	var wire *url.Error
	switch {
	case errors.As(err, &wire):
		p.fail("VaultUnreachable", subject, what+": "+check.Printable(shorten(err.Error(), 200)), "compare the vault's address, and its network rules")
	case !errors.As(err, &refusal): // no token for the tenant of another party's vault
		p.unproven("VaultDenied", subject, "whether "+what+" is there: "+check.Printable(shorten(err.Error(), 200)), "have its owner plan as well")
	case refusal.StatusCode == http.StatusNotFound:
		p.fail(missing, subject, what+" is not there", remedy)
	case refusal.StatusCode == http.StatusUnauthorized || refusal.StatusCode == http.StatusForbidden:
		p.unproven("VaultDenied", subject, "whether "+what+" is there: the vault refuses this account", "have its owner plan as well; or assign the role "+role+", which can take minutes to act")
	default:
		p.fail("VaultUnreachable", subject, check.Printable(explainVault(what, role, err).Error()), "try again")
	}
}

func before(a, b *time.Time) bool { return a != nil && b != nil && a.Before(*b) }
