package governance

import (
	"context"
	"fmt"
)

// tokenIssuer reviews what decides whose tokens the service believes.
func (r *reviewer) tokenIssuer(ctx context.Context, args arguments) error {
	name, keys := args.text("issuer"), keysOf(args)
	r.change.Subject = "token issuer " + name
	if err := r.readIssuers(ctx); err != nil {
		return err
	}
	before := r.issuers[name]
	after := trust{"keys": map[string]any{}}
	if before != nil {
		after["keys"] = before["keys"]
	}
	switch r.change.Action {
	case "set_jwt_issuer":
		text := fmt.Sprintf("the service would believe tokens of %s, and an operator can pass this without a vote", name)
		if len(keys) > 0 {
			text += fmt.Sprintf("; the proposal brings %d of its keys", len(keys))
		}
		r.warn("jwt.issuer", "%s", text)
		for _, field := range []string{"auto_refresh", "ca_cert_bundle_name"} {
			if v, ok := args[field]; ok && v != nil && v != false {
				after[field] = v
			}
		}
		if _, given := args["jwks"].(map[string]any); given {
			after["keys"] = keyDigests(keys)
		}
	case "set_jwt_public_signing_keys":
		r.warn("jwt.issuer", "the service would believe every token of %s that is signed with one of the proposal's %d keys", name, len(keys))
		for field, v := range before {
			after[field] = v
		}
		after["keys"] = keyDigests(keys)
	default:
		r.warn("jwt.issuer", "users with tokens of %s could not call the service any more, and an operator can pass this without a vote", name)
		after = nil
	}
	r.compareJSON("issuer", before.value(), after.value())
	r.issuers[name] = after
	return nil
}

// trust is what the service knows of an issuer: the fields of set_jwt_issuer,
// and the digests of its keys by their ids.
type trust map[string]any

func (t trust) value() any {
	if t == nil {
		return nothing{}
	}
	return map[string]any(t)
}

// readIssuers reads once whom the service trusts.
func (r *reviewer) readIssuers(ctx context.Context) error {
	if r.issuers != nil {
		return nil
	}
	list, err := r.c.TrustedIssuers(ctx)
	if err != nil {
		return err
	}
	r.issuers = map[string]trust{}
	for _, i := range list {
		digests := map[string]any{}
		for _, k := range i.Keys {
			addKey(digests, k.ID, keyDigest(k.PublicKeyPEM), k.Constraint)
		}
		t := trust{"keys": digests}
		if i.AutoRefresh {
			t["auto_refresh"] = true
		}
		if i.CACertBundleName != "" {
			t["ca_cert_bundle_name"] = i.CACertBundleName
		}
		r.issuers[i.Issuer] = t
	}
	return nil
}

// certificateBundle reviews what the service asks issuers' servers for. It shows
// no bundle to anybody, so there is nothing to compare with.
func (r *reviewer) certificateBundle(_ context.Context, args arguments) error {
	r.change.Subject = "certificate bundle " + args.text("name")
	r.warn("jwt.issuer", "%s decides which server gives the service the keys of token issuers, and an operator can pass it without a vote", r.change.Action)
	r.differ("cert_bundle", jsonText("what is there, if anything: the service does not show it"), quoted(args.text("cert_bundle")))
	return nil
}

// userIdentity reviews set_user_identity and remove_user_identity.
func (r *reviewer) userIdentity(ctx context.Context, args arguments) error {
	id := args.text("id")
	r.change.Subject = "user " + id
	if r.users == nil {
		list, err := r.c.UserIdentities(ctx)
		if err != nil {
			return err
		}
		r.users = map[string]any{}
		for _, u := range list {
			r.users[u.ID] = identityValue(SetUserIdentity(u).Args)
		}
	}
	before, ok := r.users[id]
	if !ok {
		before = nothing{}
	}
	var after any = nothing{}
	if r.change.Action == "set_user_identity" {
		after = identityValue(map[string]any(args))
	}
	r.compareJSON("user", before, after)
	r.users[id] = after
	return nil
}

// identityValue is an identity in one form, without what is null.
func identityValue(v any) any {
	decoded, err := decodeJSON([]byte(jsonText(v)))
	if err != nil {
		panic("governance: internal error: " + err.Error())
	}
	object, _ := decoded.(map[string]any)
	for name, v := range object {
		if v == nil {
			delete(object, name)
		}
	}
	return object
}

// invitation reviews set_user_invitation_by_jwt_claims, whose claims have the
// rules of a clean room policy, and its removal.
func (r *reviewer) invitation(ctx context.Context, args arguments) error {
	id := args.text("invitationId")
	r.change.Subject = "invitation " + id
	before, err := r.invitationClaims(ctx, id)
	if err != nil {
		return err
	}
	after := policyClaims{}
	if r.change.Action == "set_user_invitation_by_jwt_claims" {
		after = r.applyClaims("the invitation", before, args)
	}
	r.differClaims(before, after)
	if r.invitations == nil {
		r.invitations = map[string]policyClaims{}
	}
	r.invitations[id] = after
	if len(after) > 0 && len(after["tid"]) == 0 {
		r.warn("user.tenant", "invitation %s would not name the tenant of who is invited", id)
	}
	return nil
}

func (r *reviewer) invitationClaims(ctx context.Context, id string) (policyClaims, error) {
	if c, ok := r.invitations[id]; ok {
		return c, nil
	}
	i, err := r.c.Invitation(ctx, id)
	if hasCode(err, "InvitationNotFound") {
		return policyClaims{}, nil
	}
	if err != nil {
		return nil, err
	}
	claims := policyClaims{}
	for name, values := range i.Claims {
		for _, v := range values {
			claims[name] = append(claims[name], v)
		}
	}
	return claims, nil
}

// document reviews set_member_document, which works as set_contract does.
func (r *reviewer) document(ctx context.Context, args arguments) error {
	id := args.text("documentId")
	r.change.Subject = "document " + id
	proposed := args.object("document")
	text, contractID := readableText(proposed["data"]), jsonText(proposed["contractId"])
	shown, err := r.c.Document(id).Get(ctx)
	switch {
	case hasCode(err, "DocumentNotFound"):
		shown = &Document{ID: id}
	case err != nil:
		return err
	}
	base := ""
	now := (&Contract{Data: shown.Data, raw: shown.raw}).readable()
	switch {
	case shown.State == DocumentAccepted:
		base = now
		r.warn("contract.accepted", "document %s is accepted already", id)
	case shown.State == DocumentProposed && shown.ProposalID != r.review.Proposal.ID:
		r.warn("contract.other", "the service shows proposal %s as that of document %s", short(shown.ProposalID), id)
	case shown.State == DocumentProposed && (now != text || jsonText(shown.ContractID) != contractID):
		r.warn("contract.shown", "the service shows document %s with other data, or for another contract, than was signed", id)
	}
	r.change.TextDiff = unified(base, text)
	r.differ("contractId", "", contractID)
	if version, _ := proposed["version"].(string); version == "" {
		r.warn("contract.unversioned", "the proposal names no version of the draft of document %s", id)
	}
	return nil
}
