package postgres

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// What the sample data holds.
const (
	Users       = 1000 // rows of the table users
	FemaleUsers = 521  // of these with gender "Female"
	Plants      = 50   // rows of the table plants
)

// A User is a row of the table users.
type User struct {
	ID                                            int
	FirstName, LastName, Email, Gender, IPAddress string
}

// A Plant is a row of the table plants.
type Plant struct {
	ID, UserID int
	Name       string
	BirthDate  time.Time // a day, in UTC
}

// SampleUsers returns the rows of the table users in the order of their ids.
// They are the same every time and belong to nobody: names are drawn from lists
// and addresses from ranges reserved for documentation (RFC 2606, RFC 5737).
func SampleUsers() []User {
	draw := newDraw()
	domains := []string{"example.com", "example.net", "example.org"}
	networks := []string{"192.0.2", "198.51.100", "203.0.113"}
	users := make([]User, Users)
	female := FemaleUsers // still to be drawn
	for i := range users {
		u := &users[i]
		u.ID = i + 1
		// Selection sampling: exactly FemaleUsers of Users, spread evenly.
		u.Gender, u.FirstName = "Male", pick(draw, maleNames)
		if draw(Users-i) < female {
			u.Gender, u.FirstName = "Female", pick(draw, femaleNames)
			female--
		}
		u.LastName = pick(draw, lastNames)
		u.Email = fmt.Sprintf("user%04d@%s", u.ID, pick(draw, domains))
		u.IPAddress = fmt.Sprintf("%s.%d", pick(draw, networks), 1+draw(254))
	}
	return users
}

// SamplePlants returns the rows of the table plants in the order of their ids:
// one for every twentieth user.
func SamplePlants() []Plant {
	draw := newDraw()
	from := time.Date(2019, time.November, 25, 0, 0, 0, 0, time.UTC)
	plants := make([]Plant, Plants)
	for i := range plants {
		plants[i] = Plant{
			ID:        i + 1,
			UserID:    (i + 1) * (Users / Plants),
			Name:      pick(draw, plantNames),
			BirthDate: from.AddDate(0, 0, draw(350)),
		}
	}
	return plants
}

// newDraw returns a source of numbers below n that never changes.
func newDraw() func(n int) int {
	source := rand.NewPCG(2020, 1125)
	return func(n int) int { return int(source.Uint64() % uint64(n)) }
}

func pick(draw func(int) int, list []string) string { return list[draw(len(list))] }

// sampleSQL creates and fills the tables, in one batch that is one transaction.
func sampleSQL() string {
	var b strings.Builder
	b.WriteString(`CREATE TABLE users (
	id integer NOT NULL CONSTRAINT users_pkey PRIMARY KEY,
	first_name text, last_name text, email text, gender text, ip_address text);
CREATE TABLE plants (
	id integer NOT NULL CONSTRAINT plants_pkey PRIMARY KEY,
	user_id integer CONSTRAINT plants_user_id_fkey REFERENCES users (id),
	name text, birth_date date);
INSERT INTO users VALUES `)
	for i, u := range SampleUsers() {
		fmt.Fprintf(&b, "%s(%d,%s,%s,%s,%s,%s)", separator(i), u.ID, literal(u.FirstName), literal(u.LastName), literal(u.Email), literal(u.Gender), literal(u.IPAddress))
	}
	b.WriteString(";\nINSERT INTO plants VALUES ")
	for i, p := range SamplePlants() {
		fmt.Fprintf(&b, "%s(%d,%d,%s,%s)", separator(i), p.ID, p.UserID, literal(p.Name), literal(p.BirthDate.Format(time.DateOnly)))
	}
	b.WriteString(";\nANALYZE users, plants")
	return b.String()
}

func separator(i int) string {
	if i == 0 {
		return ""
	}
	return ",\n"
}

// literal quotes text that holds no backslash, as all of ours does.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
