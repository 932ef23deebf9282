package sdk_test

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"
)

func stepText(s cty.PathStep) string {
	switch s := s.(type) {
	case cty.GetAttrStep:
		return s.Name
	case cty.IndexStep:
		return fmt.Sprintf("[%s]", s.Key.GoString())
	}
	return "?"
}
