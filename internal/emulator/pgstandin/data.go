package pgstandin

import (
	"encoding/binary"
	"errors"
	"strconv"
	"time"

	"github.com/cleanroom-go/sdk/internal/emulator/postgres"
)

// A kind is a type of PostgreSQL. A value of it is nil for NULL, an int64 for an
// integer, and else a string, which of a date has its ISO form; so that values
// of one kind compare as PostgreSQL has them under the locale C.
type kind struct {
	oid  int32
	size int16
	name string
}

var (
	kindInteger = &kind{23, 4, "integer"}
	kindBigint  = &kind{20, 8, "bigint"}
	kindText    = &kind{25, -1, "text"}
	kindDate    = &kind{1082, 4, "date"}
	kindName    = &kind{19, 64, "name"}
)

func (k *kind) number() bool { return k == kindInteger || k == kindBigint }

// parse reads the text form of a value.
func (k *kind) parse(text string) (any, error) {
	switch {
	case k.number():
		n, err := strconv.ParseInt(text, 10, int(k.size)*8)
		switch {
		case errors.Is(err, strconv.ErrRange):
			return nil, errorf(codeNumberOutOfRange, "value %q is out of range for type %s", text, k.name)
		case err != nil:
			return nil, errorf(codeInvalidText, "invalid input syntax for type %s: %q", k.name, text)
		}
		return n, nil
	case k == kindDate:
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			return nil, errorf(codeInvalidDatetime, "invalid input syntax for type date: %q; this stand-in reads YYYY-MM-DD alone", text)
		}
	}
	return text, nil
}

// epoch is the day 0 of PostgreSQL's dates.
var epoch = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)

// appendValue appends a field of DataRow in text or binary form.
func (k *kind) appendValue(b []byte, value any, binaryForm bool) []byte {
	if value == nil {
		return append(b, 0xff, 0xff, 0xff, 0xff)
	}
	n, _ := value.(int64)
	text, isText := value.(string)
	if !isText {
		text = strconv.FormatInt(n, 10)
	}
	if binaryForm && k == kindDate {
		day, err := time.Parse(time.DateOnly, text)
		if err != nil {
			panic("pgstandin: internal error: " + err.Error())
		}
		n = int64(day.Sub(epoch) / (24 * time.Hour))
	}
	switch {
	case binaryForm && k.size == 4:
		return binary.BigEndian.AppendUint32(append(b, 0, 0, 0, 4), uint32(n))
	case binaryForm && k.size == 8:
		return binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 8), uint64(n))
	}
	return append(binary.BigEndian.AppendUint32(b, uint32(len(text))), text...)
}

// A column is a table's or a result's.
type column struct {
	name string
	kind *kind
}

type table struct {
	columns []column
	rows    [][]any
}

// find returns the index of a column.
func (t *table) find(name string) (int, error) {
	for i, c := range t.columns {
		if c.name == name {
			return i, nil
		}
	}
	return 0, errorf(codeUndefinedColumn, "column %q does not exist", name)
}

// sampleTables are those that a cluster of package postgres begins with.
func sampleTables() map[string]*table {
	users := &table{columns: []column{{"id", kindInteger}, {"first_name", kindText}, {"last_name", kindText}, {"email", kindText}, {"gender", kindText}, {"ip_address", kindText}}}
	for _, u := range postgres.SampleUsers() {
		users.rows = append(users.rows, []any{int64(u.ID), u.FirstName, u.LastName, u.Email, u.Gender, u.IPAddress})
	}
	plants := &table{columns: []column{{"id", kindInteger}, {"user_id", kindInteger}, {"name", kindText}, {"birth_date", kindDate}}}
	for _, p := range postgres.SamplePlants() {
		plants.rows = append(plants.rows, []any{int64(p.ID), int64(p.UserID), p.Name, p.BirthDate.Format(time.DateOnly)})
	}
	return map[string]*table{"users": users, "plants": plants}
}
