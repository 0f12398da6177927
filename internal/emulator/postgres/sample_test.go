package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestSampleData(t *testing.T) {
	documentation := []netip.Prefix{
		netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
	}
	users := SampleUsers()
	genders, emails, names := map[string]int{}, map[string]bool{}, map[string]bool{}
	for i, u := range users {
		if u.ID != i+1 {
			t.Fatalf("user %d has id %d", i+1, u.ID)
		}
		genders[u.Gender]++
		emails[u.Email] = true
		names[u.FirstName] = true
		ip := netip.MustParseAddr(u.IPAddress)
		reserved := false
		for _, p := range documentation {
			reserved = reserved || p.Contains(ip)
		}
		if !reserved {
			t.Errorf("user %d has the address %s, which may be somebody's", u.ID, ip)
		}
	}
	if len(users) != Users || genders["Female"] != FemaleUsers || genders["Male"] != Users-FemaleUsers {
		t.Errorf("%d users, %v", len(users), genders)
	}
	if len(emails) != Users || len(names) < 100 {
		t.Errorf("%d addresses and %d first names", len(emails), len(names))
	}
	plants := SamplePlants()
	for i, p := range plants {
		first, last := time.Date(2019, 11, 25, 0, 0, 0, 0, time.UTC), time.Date(2020, 11, 8, 0, 0, 0, 0, time.UTC)
		if p.ID != i+1 || p.UserID != 20*(i+1) || p.BirthDate.Before(first) || p.BirthDate.After(last) {
			t.Errorf("plant %d is %+v", i+1, p)
		}
	}
	if len(plants) != Plants {
		t.Errorf("%d plants", len(plants))
	}
}

// TestSampleDataStays notices a change of the generator, or of the source of
// numbers below it: output that others compare with would change as well.
func TestSampleDataStays(t *testing.T) {
	sql := sampleSQL()
	if strings.Contains(sql, `\`) {
		t.Error("a backslash; literal does not quote it")
	}
	const want = "7e8089756bbf4980"
	if got := sha256.Sum256([]byte(sql)); hex.EncodeToString(got[:8]) != want {
		t.Errorf("the sample data has the digest %x, not %s", got[:8], want)
	}
}
