package governance

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// reviewedMember is a member with its data as the service holds it.
type reviewedMember struct {
	MemberInfo
	raw any
}

func (r *reviewer) readMembers(ctx context.Context) error {
	var doc struct {
		Value []memberDoc `json:"value"`
	}
	if err := r.c.gov(ctx, r.op, "/gov/service/members", &doc); err != nil {
		return err
	}
	for _, d := range doc.Value {
		info, err := d.info()
		if err != nil {
			return fmt.Errorf("governance: %s: %w", r.op, err)
		}
		m := reviewedMember{MemberInfo: info, raw: nothing{}}
		if len(d.MemberData) > 0 && string(d.MemberData) != "null" {
			if m.raw, err = decodeJSON(d.MemberData); err != nil {
				return fmt.Errorf("governance: %s: %w", r.op, err)
			}
		}
		r.members = append(r.members, m)
	}
	return nil
}

func (r *reviewer) find(id string) *reviewedMember {
	i := slices.IndexFunc(r.members, func(m reviewedMember) bool { return m.ID == id })
	if i < 0 {
		return nil
	}
	return &r.members[i]
}

// memberName is a name for people, with enough of the id to tell two of the
// same name apart.
func (r *reviewer) memberName(id string) string {
	m := r.find(id)
	if m == nil || m.Data.Identifier == "" {
		return short(id)
	}
	return m.Data.Identifier + " (" + short(id) + ")"
}

// setMember reviews set_member, which adds a member or resets one.
func (r *reviewer) setMember(_ context.Context, args arguments) error {
	id := idOfPEM([]byte(args.text("cert")))
	if id == "" {
		r.unknown("the certificate of the member cannot be read")
		return nil
	}
	raw, data := memberDataOf(args)
	m := r.find(id)
	if m == nil {
		r.members = append(r.members, reviewedMember{MemberInfo: MemberInfo{ID: id}, raw: nothing{}})
		m = &r.members[len(r.members)-1]
		m.Data.Identifier = data.Identifier
		r.change.Subject = "member " + r.memberName(id)
		r.differ("certificate", "", jsonText(subjectOf(args.text("cert"))))
	} else {
		r.change.Subject = "member " + r.memberName(id)
	}
	if data.IsOperator {
		r.warn("member.operator-alone", "%s would be an operator, and any operator can pass this without a vote", r.memberName(id))
	}
	if m.Status == MemberActive {
		r.warn("member.demoted", "%s is active and would have to activate itself again; its vote would not count before", r.memberName(id))
	}
	r.differ("status", quoted(m.Status), jsonText(MemberAccepted))
	r.setData(m, raw, data)
	m.Status = MemberAccepted
	return nil
}

// subjectOf names the first certificate of a text.
func subjectOf(text string) string {
	certs, err := parseCertificates([]byte(text))
	if err != nil {
		return "this program cannot read it: " + err.Error()
	}
	return strings.TrimSpace(certs[0].Subject.String())
}

func quoted(s string) string {
	if s == "" {
		return ""
	}
	return jsonText(s)
}

// setMemberData reviews the replacement of a member's data.
func (r *reviewer) setMemberData(_ context.Context, args arguments) error {
	id := args.text("member_id")
	r.change.Subject = "member " + r.memberName(id)
	raw, data := memberDataOf(args)
	m := r.find(id)
	if m == nil {
		r.warn("member.unknown", "there is no member %s; the vote that would accept this fails in the service", short(id))
		r.compareJSON("data", nothing{}, raw)
		return nil
	}
	r.setData(m, raw, data)
	return nil
}

func memberDataOf(args arguments) (raw any, data MemberData) {
	raw, ok := args["member_data"]
	if !ok || raw == nil {
		return nothing{}, data
	}
	// Data that is no object has no roles, as for the constitution.
	_ = json.Unmarshal([]byte(jsonText(raw)), &data)
	return raw, data
}

// roles are the ones that take a member out of the count.
func (d MemberData) roles() []string {
	var list []string
	for _, r := range []struct {
		held bool
		name string
	}{
		{d.IsOperator, "operator"}, {d.IsRecoveryOperator, "recovery operator"},
		{d.CGSOperator, "CGS operator"}, {d.ContractOperator, "contract operator"},
	} {
		if r.held {
			list = append(list, r.name)
		}
	}
	return list
}

func (r *reviewer) setData(m *reviewedMember, raw any, data MemberData) {
	before, after := strings.Join(m.Data.roles(), ", "), strings.Join(data.roles(), ", ")
	r.compareJSON("data", m.raw, raw)
	if before != after {
		effect := "its vote does not count"
		if data.Votes() {
			effect = "its vote counts"
		}
		r.warn("member.role", "%s would have the roles: %s, now: %s; %s then", r.memberName(m.ID), or(after, "none"), or(before, "none"), effect)
	}
	m.raw, m.Data = raw, data
}

// removeMember reviews remove_member, which takes an id and also asks for the
// roles of whoever has the certificate beside it.
func (r *reviewer) removeMember(_ context.Context, args arguments) error {
	id := args.text("member_id")
	r.change.Subject = "member " + r.memberName(id)
	owner := idOfPEM([]byte(args.text("cert")))
	switch owner {
	case "":
		r.warn("member.remove-without-cert", "%s would be removed, but its certificate is not there or cannot be read", r.memberName(id))
	case id:
	default:
		r.warn("member.remove-other-cert", "%s would be removed, with the certificate of %s", r.memberName(id), r.memberName(owner))
	}
	if m := r.find(owner); m != nil && m.Data.IsOperator {
		r.warn("member.operator-alone", "any operator can pass this without a vote, because the certificate is that of an operator")
	}
	m := r.find(id)
	if m == nil {
		r.warn("member.unknown", "there is no member %s; nothing would be removed", short(id))
		return nil
	}
	r.differ("status", quoted(m.Status), "")
	r.compareJSON("data", m.raw, nothing{})
	r.members = slices.DeleteFunc(r.members, func(m reviewedMember) bool { return m.ID == id })
	return nil
}

// warnNoVoters looks at who would be left to vote.
func (r *reviewer) warnNoVoters(actions []Action) {
	touched := slices.ContainsFunc(actions, func(a Action) bool {
		return a.Name == "set_member" || a.Name == "set_member_data" || a.Name == "remove_member"
	})
	left := slices.ContainsFunc(r.members, func(m reviewedMember) bool { return m.Status == MemberActive && m.Data.Votes() })
	if touched && !left {
		r.warn("member.no-voters", "no active member whose vote counts would be left")
	}
}

// recoveryThreshold reviews set_recovery_threshold.
func (r *reviewer) recoveryThreshold(ctx context.Context, args arguments) error {
	const path = "recoveryThreshold"
	before, err := r.value(path, func() (string, error) {
		info, err := r.c.ServiceInfo(ctx)
		if err != nil {
			return "", err
		}
		return jsonText(info.RecoveryThreshold), nil
	})
	if err != nil {
		return err
	}
	after := jsonText(args["recovery_threshold"])
	r.differ(path, before, after)
	r.leave(path, after)
	return nil
}
