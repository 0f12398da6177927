package cleanroom_test

import (
	"io"
	"testing"
)

// TestRoomProvesItselfToOneAuthority: the host of the authority comes from the
// options, not from a variable.
func TestRoomProvesItselfToOneAuthority(t *testing.T) {
	a := agree(t)
	t.Setenv("AZURE_AUTHORITY_HOST", "https://authority.example.org/")
	in := a.launch(a.template.Policy())
	room, err := in.enter(t.Context())
	a.must(err)
	out, err := room.Output(t.Context(), roomSink)
	a.must(err, out.WriteFile(t.Context(), "x", func(w io.Writer) error { return nil }), room.Close())
	if n, m := in.count("authority.example.org"), in.count("login.microsoftonline.com"); n != 0 || m == 0 {
		t.Errorf("%d requests to the variable's host, %d to the public one", n, m)
	}
}
