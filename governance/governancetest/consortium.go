package governancetest

import (
	"bytes"
	"context"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

// find gives the member of the list, or nil.
func find(list []governance.MemberInfo, id string) *governance.MemberInfo {
	for i := range list {
		if list[i].ID == id {
			return &list[i]
		}
	}
	return nil
}

// members is the list, and the entry of the client's own member.
func members(ctx context.Context, t *testing.T, c *governance.Client) ([]governance.MemberInfo, *governance.MemberInfo) {
	t.Helper()
	list, err := c.Members(ctx)
	check(t, err)
	return list, find(list, c.Member().ID())
}

// consortium takes the service from its start to two active members.
func (s *suite) consortium(ctx context.Context, t *testing.T) {
	network, err := s.founder.Network(ctx)
	check(t, err)
	info, err := s.founder.ServiceInfo(ctx)
	check(t, err)
	equal(t, "status of network and service", network.Status, info.Status)
	if !bytes.Equal(bytes.TrimSpace(info.CertificatePEM), bytes.TrimSpace(network.CertificatePEM)) {
		t.Error("network and service have different certificates")
	}

	list, own := members(ctx, t, s.founder)
	if own == nil {
		t.Fatalf("member %s, the founder, is not registered", s.founder.Member().ID())
	}
	for _, m := range list {
		if m.ID != own.ID && m.Data.Votes() {
			t.Fatalf("beside the founder there is member %s, whose vote counts; the suite cannot vote for it", m.Name())
		}
	}
	if !own.Data.Votes() {
		t.Fatal("the founder's vote does not count, because of its roles")
	}
	s.founderData = own.Data
	if s.wasActive = own.Status == governance.MemberActive; !s.wasActive {
		_, err := s.founder.Propose(ctx, governance.SetRecoveryThreshold(1))
		s.refuses(t, err, "InvalidAuthenticationInfo")
	}
	for range 2 { // the second time does no harm
		check(t, s.founder.Activate(ctx))
	}
	s.refuses(t, s.stranger.Activate(ctx), "InvalidAuthenticationInfo")
	s.open(ctx, t, info)

	data := s.founderData
	data.TenantID = s.tenant
	accept(ctx, t, propose(ctx, t, s.founder, governance.SetMemberData(s.founder.Member().ID(), data)), s.founder)
	_, own = members(ctx, t, s.founder)
	equal(t, "tenant of the founder", own.Data.TenantID, s.tenant)
	equal(t, "name of the founder", own.Data.Identifier, s.founderData.Identifier)
	s.letIn(ctx, t)
}

// open opens a service that is new.
func (s *suite) open(ctx context.Context, t *testing.T, info *governance.ServiceInfo) {
	if s.wasOpening = info.Status == "Opening"; s.wasOpening {
		_, err := contractIDs(ctx, s.founder, "")
		s.refuses(t, err, "FrontendNotOpen")
		accept(ctx, t, propose(ctx, t, s.founder, governance.OpenService(info.CertificatePEM)), s.founder)
	}
	check(t, s.founder.WaitReady(ctx))
	info, err := s.founder.ServiceInfo(ctx)
	check(t, err)
	equal(t, "status of the service", info.Status, "Open")
	_, err = contractIDs(ctx, s.stranger, "")
	s.refuses(t, err, "InvalidAuthenticationInfo")
}

// letIn lets the second member in, who has no vote before it activates itself.
func (s *suite) letIn(ctx context.Context, t *testing.T) {
	member := s.newcomer.Member()
	accept(ctx, t, propose(ctx, t, s.founder, governance.SetMember(member.CertificatePEM(), governance.MemberData{Identifier: s.name("newcomer")})), s.founder)
	s.joined = true
	list, own := members(ctx, t, s.newcomer)
	if own == nil {
		t.Fatal("the newcomer is not in the list of members")
	}
	equal(t, "status of the newcomer", own.Status, governance.MemberAccepted)
	equal(t, "name of the newcomer", own.Data.Identifier, s.name("newcomer"))
	if find(list, s.stranger.Member().ID()) != nil {
		t.Error("a stranger is in the list of members")
	}

	// A contract waits for the newcomer.
	k := s.founder.Contract(s.name("waiting"))
	version, err := k.Create(ctx, "terms")
	check(t, err)
	p, err := k.Propose(ctx, version)
	check(t, err)
	_, err = s.newcomer.Proposal(p.ID).Vote(ctx, true)
	s.refuses(t, err, "InvalidAuthenticationInfo")
	_, err = s.newcomer.Propose(ctx, governance.SetRecoveryThreshold(1))
	s.refuses(t, err, "InvalidAuthenticationInfo")
	p, err = s.founder.Proposal(p.ID).Vote(ctx, true)
	check(t, err)
	equal(t, "contract without the newcomer's vote", p.State, governance.ProposalOpen)
	check(t, s.newcomer.Activate(ctx))
	accept(ctx, t, p, s.newcomer)

	// To let in whom one has demotes it.
	again := governance.SetMember(member.CertificatePEM(), governance.MemberData{Identifier: s.name("newcomer")})
	accept(ctx, t, propose(ctx, t, s.founder, again), s.both()...)
	_, own = members(ctx, t, s.newcomer)
	equal(t, "status of a member that was let in again", own.Status, governance.MemberAccepted)
	check(t, s.newcomer.Activate(ctx))
	_, own = members(ctx, t, s.newcomer)
	equal(t, "status of an active member", own.Status, governance.MemberActive)
}

// leave removes the second member and restores the data of the first.
func (s *suite) leave(ctx context.Context, t *testing.T) {
	list, own := members(ctx, t, s.founder)
	if own == nil || own.Status != governance.MemberActive {
		t.Log("the founder is not active, so there is nothing to put in order")
		return
	}
	if m := find(list, s.newcomer.Member().ID()); m != nil {
		voters := []*governance.Client{s.founder}
		if m.Status == governance.MemberActive {
			voters = s.both()
		}
		accept(ctx, t, propose(ctx, t, s.founder, governance.RemoveMember(m.ID, m.CertificatePEM)), voters...)
	} else if s.joined {
		t.Error("the newcomer is gone")
	}
	accept(ctx, t, propose(ctx, t, s.founder, governance.SetMemberData(own.ID, s.founderData)), s.founder)

	list, own = members(ctx, t, s.founder)
	if find(list, s.newcomer.Member().ID()) != nil {
		t.Error("the newcomer is still there")
	}
	equal(t, "tenant of the founder", own.Data.TenantID, s.founderData.TenantID)
	if s.joined {
		_, err := contractIDs(ctx, s.newcomer, "")
		s.refuses(t, err, "InvalidAuthenticationInfo")
	}
	proposals, err := s.founder.Proposals(ctx)
	check(t, err)
	for _, p := range proposals {
		if p.State == governance.ProposalOpen && (p.ProposerID == own.ID || p.ProposerID == s.newcomer.Member().ID()) {
			t.Errorf("proposal %s is left open", p.ID)
		}
	}
}
