package parquetrows

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
)

// A column converts values of one type.
type column struct {
	name  string
	kind  string // the database's name of the type
	scale int    // of a DECIMAL
	small bool   // a DECIMAL of 32 bits
}

// kindDecimal is a numeric that fits in 64 bits.
const kindDecimal = "numeric with a precision"

func columnOf(t *sql.ColumnType) (column, parquet.Node) {
	c := column{name: t.Name(), kind: t.DatabaseTypeName()}
	switch c.kind {
	case "INT2":
		return c, parquet.Int(16)
	case "INT4":
		return c, parquet.Int(32)
	case "INT8":
		return c, parquet.Int(64)
	case "FLOAT4":
		return c, parquet.Leaf(parquet.FloatType)
	case "FLOAT8":
		return c, parquet.Leaf(parquet.DoubleType)
	case "BOOL":
		return c, parquet.Leaf(parquet.BooleanType)
	case "BYTEA":
		return c, parquet.Leaf(parquet.ByteArrayType)
	case "DATE":
		return c, parquet.Date()
	case "TIMESTAMP":
		return c, parquet.TimestampAdjusted(parquet.Microsecond, false)
	case "TIMESTAMPTZ":
		return c, parquet.Timestamp(parquet.Microsecond)
	case "TIME":
		return c, parquet.TimeAdjusted(parquet.Microsecond, false)
	case "JSON", "JSONB":
		return c, parquet.JSON()
	case "NUMERIC":
		precision, scale, ok := t.DecimalSize()
		if !ok || precision < 1 || precision > 18 || scale < 0 || scale > precision {
			break // also the driver's answer for a numeric without precision
		}
		c.kind, c.scale, c.small = kindDecimal, int(scale), precision <= 9
		if c.small {
			return c, parquet.Decimal(int(scale), int(precision), parquet.Int32Type)
		}
		return c, parquet.Decimal(int(scale), int(precision), parquet.Int64Type)
	}
	return c, parquet.String()
}

// convert returns the value, with bytes copied to the arena, and its size.
func (c *column) convert(value any, arena *[]byte) (parquet.Value, int, error) {
	if value == nil {
		return parquet.NullValue(), 1, nil
	}
	switch c.kind {
	case "INT2", "INT4", "INT8":
		if v, ok := value.(int64); ok {
			return c.integer(v)
		}
	case "FLOAT4":
		if v, ok := value.(float64); ok {
			return parquet.FloatValue(float32(v)), 4, nil
		}
	case "FLOAT8":
		if v, ok := value.(float64); ok {
			return parquet.DoubleValue(v), 8, nil
		}
	case "BOOL":
		if v, ok := value.(bool); ok {
			return parquet.BooleanValue(v), 1, nil
		}
	case "BYTEA":
		if v, ok := value.([]byte); ok {
			return keep(v, arena)
		}
	case "DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIME":
		if v, ok := value.(time.Time); ok {
			return c.time(v)
		}
		return parquet.Value{}, 0, fmt.Errorf("a value of type %s is no point in time, such as infinity; cast it to text", strings.ToLower(c.kind))
	case kindDecimal:
		if v, ok := value.([]byte); ok {
			return c.decimal(string(v))
		}
	default:
		return c.text(value, arena)
	}
	return parquet.Value{}, 0, fmt.Errorf("the driver gave a %T for the type %s", value, c.kind)
}

func (c *column) integer(v int64) (parquet.Value, int, error) {
	switch {
	case c.kind == "INT8":
		return parquet.Int64Value(v), 8, nil
	case v < math.MinInt32 || v > math.MaxInt32, c.kind == "INT2" && (v < math.MinInt16 || v > math.MaxInt16):
		return parquet.Value{}, 0, fmt.Errorf("the server sent a value that the type %s cannot have", c.kind)
	}
	return parquet.Int32Value(int32(v)), 4, nil
}

const day = 24 * time.Hour

var errRange = errors.New("a date or timestamp is beyond what 64 bits of microseconds hold; cast it to text")

func (c *column) time(v time.Time) (parquet.Value, int, error) {
	switch c.kind {
	case "DATE":
		days := v.Unix() / int64(day/time.Second) // midnight in UTC, so that nothing is cut off
		if days < math.MinInt32 || days > math.MaxInt32 {
			return parquet.Value{}, 0, errRange
		}
		return parquet.Int32Value(int32(days)), 4, nil
	case "TIME":
		since := v.Sub(time.Date(v.Year(), v.Month(), v.Day(), 0, 0, 0, 0, v.Location()))
		if v.Day() != 1 { // the driver's way to say 24:00
			since += day
		}
		return parquet.Int64Value(since.Microseconds()), 8, nil
	}
	micros := v.UnixMicro()
	if !time.UnixMicro(micros).Equal(v.Truncate(time.Microsecond)) {
		return parquet.Value{}, 0, errRange
	}
	return parquet.Int64Value(micros), 8, nil
}

// decimal reads digits with a point, as the server prints them with the scale of
// the type.
func (c *column) decimal(text string) (parquet.Value, int, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil || len(fraction) != c.scale || strings.HasPrefix(text, "+") {
		return parquet.Value{}, 0, fmt.Errorf("a value of type numeric has no digits, such as NaN, or not %d of them behind the point; cast it to text", c.scale)
	}
	if !c.small {
		return parquet.Int64Value(n), 8, nil
	}
	if n < math.MinInt32 || n > math.MaxInt32 {
		return parquet.Value{}, 0, errors.New("the server sent a numeric that is beyond its type")
	}
	return parquet.Int32Value(int32(n)), 4, nil
}

func (c *column) text(value any, arena *[]byte) (parquet.Value, int, error) {
	switch v := value.(type) {
	case string:
		if !utf8.ValidString(v) {
			return parquet.Value{}, 0, errNotUTF8
		}
		return keep([]byte(v), arena)
	case []byte:
		if !utf8.Valid(v) {
			return parquet.Value{}, 0, errNotUTF8
		}
		return keep(v, arena)
	case time.Time: // TIMETZ
		return keep([]byte(strings.TrimSuffix(v.Format("15:04:05.999999-07:00"), ":00")), arena)
	case int64: // oid and its like
		return keep(strconv.AppendInt(nil, v, 10), arena)
	}
	return parquet.Value{}, 0, fmt.Errorf("the driver gave a %T for the type %s; cast it to text", value, c.kind)
}

var errNotUTF8 = errors.New("a text is not UTF-8, and a Parquet string can be nothing else; select it as bytea")

// keep copies bytes, which belong to the driver. Where the arena grows, values
// that were kept before point into what it was.
func keep(v []byte, arena *[]byte) (parquet.Value, int, error) {
	start := len(*arena)
	*arena = append(*arena, v...)
	return parquet.ByteArrayValue((*arena)[start:len(*arena):len(*arena)]), len(v) + 4, nil
}
