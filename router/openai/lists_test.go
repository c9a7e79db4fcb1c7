package openai

import "testing"

func TestElements(t *testing.T) {
	for list, want := range map[string]int{
		`[]`: 0, ` [ ] `[1:]: 0, `[1]`: 1, `[1,2]`: 2, `[[1,2],{"a":1,"b":2}]`: 2, `["],","[,"]`: 2,
		`["\\",",\"",1]`: 3, `[[[]],[],[[],[]]]`: 3, `"a,b"`: 0, `{"a":[1,2]}`: 0, `null`: 0, `1`: 0,
	} {
		if got := elements([]byte(list)); got != want {
			t.Errorf("%s has %d elements, want %d", list, got, want)
		}
	}
}
