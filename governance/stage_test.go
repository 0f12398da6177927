package governance_test

import (
	"context"
	"log"
	"time"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/governance"
)

// stage is what the examples play on: a network on loopback with one member,
// whose vote decides, and the contract collab1 that it accepted.
type stage struct {
	env    *cleanroomtest.Env
	conn   *cleanroomtest.Conn
	client *governance.Client
}

func newStage(ctx context.Context) *stage {
	keys, err := governance.GenerateMemberKeys("consumer", nil)
	must(err)
	member, err := keys.Member()
	must(err)
	s := &stage{}
	s.env, err = cleanroomtest.Start(ctx, nil)
	must(err)
	must(s.env.StartLedger(cleanroomtest.GenesisMember{CertificatePEM: keys.CertificatePEM, Identifier: "consumer"}))
	s.conn, err = s.env.Connect(cleanroomtest.Consumer, nil)
	must(err)
	s.client, err = governance.NewClient(s.env.LedgerURL(), member, &governance.ClientOptions{
		ServiceCertificate: s.env.ServiceCertificate(), DialContext: s.conn.DialContext, PollInterval: 5 * time.Millisecond,
	})
	must(err)
	must(s.client.Activate(ctx))
	s.accept(s.client.Propose(ctx, governance.OpenService(s.env.ServiceCertificate())))
	s.accept(s.client.Propose(ctx, governance.SetContract("collab1", map[string]string{"data": "terms"})))
	return s
}

// accept takes a proposal as it was made, and votes for it.
func (s *stage) accept(p *governance.Proposal, err error) {
	must(err)
	p, err = s.client.Proposal(p.ID).Vote(context.Background(), true)
	must(err)
	if p.State != governance.ProposalAccepted {
		log.Fatal(p.State)
	}
}

// room is a room that the accepted policy of collab1 describes.
func (s *stage) room(ctx context.Context) *governance.RoomClient {
	g := guest{s.env.Launch([]byte("package policy\n"))}
	s.accept(s.client.Contract("collab1").ProposeCleanRoomPolicy(ctx, governance.HostDataPolicy(g.hostData())))
	room, err := governance.NewRoomClient(s.env.LedgerURL(), "collab1", g, &governance.RoomClientOptions{
		ServiceCertificate: s.env.ServiceCertificate(), DialContext: s.conn.DialContext, PollInterval: 5 * time.Millisecond,
	})
	must(err)
	return room
}

func (s *stage) close() {
	s.client.Close()
	s.conn.Close()
	must(s.env.Close())
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
