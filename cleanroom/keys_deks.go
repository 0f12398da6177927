package cleanroom

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/internal/redact"
	"github.com/cleanroom-go/sdk/skr"
)

// WrapDEKs wraps the data keys of the named access points of a document and
// stores them where the document says. Each distinct KEK is imported once,
// under policy; one that exists and cannot serve is never rotated, since that
// would strand what else is wrapped under it: the error is then a
// [*KEKPolicyError]. A data key is taken from deks by the name of the access
// point's data store ([AccessPoint.Datastore]).
//
// All that can be checked is before the first call. Access points without a
// data key, mode SSE, are refused, so is a key that belongs to another mode
// ([DEKStore.LoadFor]), so is a key that is not the one the document
// pins ([AccessPoint.DEKDigest]), and so are two data stores whose keys would
// get one name: vaults do not tell upper from lower case, and the room would
// read one with the other's key.
//
// The result has a reference for each of names, in their order, with the
// version that was stored, its digest and the version of its KEK. Whoever passes it on instead of
// the document's own pins this very key. Running it again wraps the same keys
// again; the vault keeps the older values as older versions.
func (k *Keys) WrapDEKs(ctx context.Context, s *Specification, names []string, deks *DEKStore, policy *skr.ReleasePolicy) (_ []skr.SecretRef, err error) {
	ctx, end := k.tracer.Start(ctx, "WrapDEKs")
	defer end(&err)
	const op = "cleanroom: wrap DEKs"
	if s == nil || deks == nil || len(names) == 0 {
		return nil, errors.New(op + ": a document, a store of keys and at least one name are required")
	}
	wraps, err := planWraps(s, names, policy)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	defer func() {
		for _, w := range wraps {
			redact.Clear(w.raw)
		}
	}()
	for _, w := range wraps {
		if err := w.load(deks); err != nil {
			return nil, fmt.Errorf("%s: access point %q: %w", op, w.name, err)
		}
	}
	type kek struct {
		ref skr.KeyRef
		pub *rsa.PublicKey
	}
	imported := map[skr.KeyRef]kek{}
	stored := make([]skr.SecretRef, len(wraps))
	for i, w := range wraps {
		if w.like != nil {
			first := stored[w.like.at]
			stored[i] = w.ref
			stored[i].Version, stored[i].KEK, stored[i].Digest = first.Version, first.KEK, first.Digest
			continue
		}
		key, ok := imported[w.ref.KEK]
		if !ok {
			if key.ref, key.pub, err = k.ImportKEK(ctx, w.ref.KEK, policy, nil); err != nil {
				return nil, fmt.Errorf("%s: access point %q: %w", op, w.name, err)
			}
			imported[w.ref.KEK] = key
		}
		ref := w.ref
		ref.KEK = key.ref
		if stored[i], err = k.WrapSecret(ctx, ref, key.pub, w.raw); err != nil {
			return nil, fmt.Errorf("%s: access point %q: %w", op, w.name, err)
		}
	}
	return stored, nil
}

// wrap is one data key on its way into a vault.
type wrap struct {
	at    int    // among the names
	name  string // of the access point
	store string
	mode  datasink.Mode
	ref   skr.SecretRef
	pin   [32]byte // what the document says, zero if nothing
	like  *wrap    // the earlier one of the same secret
	raw   []byte
}

// planWraps finds what is to be stored where, and that no two keys meet.
func planWraps(s *Specification, names []string, policy *skr.ReleasePolicy) ([]*wrap, error) {
	wraps := make([]*wrap, len(names))
	owner := map[string]*wrap{}
	for i, name := range names {
		a, err := s.accessPointNamed(name)
		if err != nil {
			return nil, err
		}
		w := &wrap{at: i, name: name, store: a.Datastore()}
		if w.ref, err = a.DEK(); err == nil {
			w.ref, err = w.ref.Normalize()
		}
		if err == nil {
			w.pin, err = a.DEKDigest()
		}
		if err == nil {
			var mode string
			mode, err = a.Mode()
			w.mode = datasink.Mode(mode)
		}
		if err == nil {
			_, _, err = checkKEK(w.ref.KEK, policy)
		}
		if err != nil {
			return nil, fmt.Errorf("access point %q: %w", name, err)
		}
		place := secretPlace(w.ref.VaultURL, w.ref.Name)
		other := owner[place]
		switch {
		case other == nil:
			owner[place] = w
		case other.store != w.store:
			return nil, fmt.Errorf("the keys of the data stores %q and %q would both be the secret %s; give one of them another name (vaults do not tell upper from lower case)", other.store, w.store, w.ref)
		case other.ref.KEK != w.ref.KEK || other.ref.Name != w.ref.Name:
			return nil, fmt.Errorf("the access points %q and %q have their key at %s, but not under one name and one KEK; give both the same", other.name, name, w.ref)
		default:
			w.like = other
		}
		wraps[i] = w
	}
	return wraps, nil
}

// secretPlace is equal for what a vault takes for one secret: neither hosts nor
// names of objects tell upper from lower case.
func secretPlace(vaultURL, name string) string {
	return strings.ToLower(strings.TrimSuffix(vaultURL, "/") + "/secrets/" + name)
}

func (w *wrap) load(deks *DEKStore) error {
	if w.like != nil && w.pin == w.like.pin && w.mode == w.like.mode {
		return nil
	}
	dek, err := deks.LoadFor(w.store, w.mode)
	if err != nil {
		return err
	}
	defer dek.Close()
	if w.pin != [32]byte{} && w.pin != dek.Digest() {
		return fmt.Errorf("the key of the data store %q is not the one that the document pins: no room would take it; find the agreed key, or agree on a new document", w.store)
	}
	w.raw = dek.Clone()
	return nil
}
