# The conformance driver for one kind of processor, in FOLDER: make -f build.mk FOLDER=... CLANG=... TARGET=... LINK=...
# TARGET are flags that choose the processor, LINK those that only the linker takes.

FLAGS = -O3 -std=gnu11 -Wall -Wextra -Werror -Wno-error=pass-failed -MMD -ISources/C/CKernels/include -ITests/Conformance
SOURCES = $(wildcard Sources/C/CKernels/*.c Tests/Conformance/*.c)
OBJECTS = $(patsubst %.c,$(FOLDER)/%.o,$(notdir $(SOURCES)))

vpath %.c Sources/C/CKernels Tests/Conformance

$(FOLDER)/conformance: $(OBJECTS)
	$(CLANG) $(TARGET) $(LINK) $(OBJECTS) -lm -o $@

$(FOLDER)/%.o: %.c | $(FOLDER)
	$(CLANG) $(TARGET) $(FLAGS) -c $< -o $@

$(FOLDER):
	mkdir -p $@

-include $(OBJECTS:.o=.d)
