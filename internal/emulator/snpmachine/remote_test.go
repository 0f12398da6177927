package snpmachine

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/internal/emulator/wire/wiretest"
)

const host = "sev-guest.cleanroomtest.internal"

func TestRemoteGuest(t *testing.T) {
	m, _ := twoMachines(t)
	network := wiretest.New(t, host)
	network.Handle(host, m.Handler())
	g, neighbour := m.Launch([]byte("policy")), m.Launch([]byte("policy of another"))

	ev := attest(t, RemoteGuest(network.Client, "https://"+host+"/", g.ID(), g.Secret()), "{}")
	if err := m.Verify(ev.Report, ev.Certificates, ev.UVMEndorsements); err != nil {
		t.Error(err)
	}
	if hd := g.HostData(); !bytes.Equal(ev.Report[offHostData:offHostData+32], hd[:]) {
		t.Error("the report is not that guest's")
	}
	if string(ev.RuntimeData) != "{}" {
		t.Errorf("runtime data %q", ev.RuntimeData)
	}

	for name, a := range map[string]struct{ id, secret string }{
		"wrong secret":       {g.ID(), neighbour.Secret()},
		"no secret":          {g.ID(), ""},
		"unknown guest":      {"0000", g.Secret()},
		"id with path parts": {"../" + g.ID(), g.Secret()},
	} {
		_, err := RemoteGuest(network.Client, "https://"+host, a.id, a.secret).Attest(context.Background(), []byte("{}"))
		if err == nil {
			t.Errorf("%s: attested", name)
		} else if a.secret != "" && strings.Contains(err.Error(), a.secret) {
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
	}
	for name, data := range map[string][]byte{"empty": nil, "long": make([]byte, maxRuntimeData+1)} {
		if _, err := RemoteGuest(network.Client, "https://"+host, g.ID(), g.Secret()).Attest(context.Background(), data); err == nil {
			t.Errorf("%s runtime data: attested", name)
		}
	}
}

func TestRemoteGuestFollowsNoRedirect(t *testing.T) {
	network := wiretest.New(t, host, "other.internal")
	network.Handle(host, http.RedirectHandler("https://other.internal/", http.StatusTemporaryRedirect))
	network.Handle("other.internal", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the guest's secret went to another host")
	}))
	if _, err := RemoteGuest(network.Client, "https://"+host, "id", "secret").Attest(context.Background(), []byte("{}")); err == nil {
		t.Error("a redirect is no evidence")
	}
}
