package postgres

// The names have what programs stumble over: quotes, blanks, hyphens, letters
// outside ASCII, and one written from right to left.

var femaleNames = []string{
	"Ada", "Agnes", "Amira", "Anne-Marie", "Astrid", "Bea", "Birgül", "Bożena", "Carmen", "Chiara",
	"Chloé", "Dalia", "D'Arcy", "Doris", "Edith", "Elif", "Esther", "Fatou", "Françoise", "Freya",
	"Gwen", "Hanna", "Heidi", "Ida", "Inés", "Ioana", "Jasmin", "Käthe", "Keiko", "Lara",
	"Leïla", "Ludmila", "Maeve", "Mary Ann", "Mia", "Nadia", "Ngozi", "Olga", "Paula", "Priya",
	"Quinn", "Renée", "Rosa", "Saoirse", "Siân", "Sofía", "Tamar", "Tove", "Ursula", "Vera",
	"Wanda", "Xenia", "Yara", "Yvonne", "Zoë", "Zsófia", "Þóra", "Ольга", "さくら", "נועה",
}

var maleNames = []string{
	"Adrian", "Ahmed", "Anders", "Antônio", "Axel", "Bartek", "Björn", "Boris", "Cem", "Conor",
	"Dariusz", "Diego", "Dmitri", "Edgar", "Emeka", "Émile", "Enzo", "Felix", "Finn", "Gábor",
	"Georg", "Giulio", "Håkon", "Henrik", "Hugo", "Ivan", "Jean-Luc", "João", "Jürgen", "Kenji",
	"Kofi", "Lars", "Liam", "Luka", "Mateo", "Mikkel", "Milan", "Nils", "Noël", "Omar",
	"Oskar", "Pavel", "Pierre", "Rafael", "Ravi", "René", "Sándor", "Søren", "Stefan", "Tariq",
	"Théo", "Tim", "Uwe", "Viktor", "Willem", "Xaver", "Yusuf", "Zbigniew", "Георги", "大輔",
}

var lastNames = []string{
	"Acker", "Almeida", "Andersson", "Baker", "Bauer", "Bianchi", "Brännström", "Castillo", "Chen", "D'Angelo",
	"Dvořák", "Eriksen", "Fischer", "Garcia", "Grünwald", "Haddad", "Horvat", "Ito", "Ivanova", "Jansen",
	"Kaya", "Kowalski", "Larsen", "Lefèvre", "Lindqvist", "MacLeod", "Mbeki", "Moreau", "Müller", "Nagy",
	"Nguyễn", "Novák", "O'Brien", "Okafor", "Özdemir", "Papadakis", "Patel", "Peeters", "Petrov", "Quiroga",
	"Ribeiro", "Rossi", "Saarinen", "Santos", "Schäfer", "Silva", "Smith-Jones", "Szabó", "Tanaka", "Thorn",
	"Ueda", "van der Berg", "Vasquez", "Virtanen", "Weiß", "Wójcik", "Yıldız", "Young", "Zanetti", "Živković",
}

var plantNames = []string{
	"Aloe", "Basil", "Begonia", "Calathea", "Fern", "Fig", "Geranium", "Ivy", "Lavender", "Mint",
	"Monstera", "Orchid", "Palm", "Pothos", "Rosemary", "Sage", "Succulent", "Thyme", "Yucca", "Zebra plant",
}
