/* nt/rules_hdaudio.def.h: findings of the HD Audio bus interface (ruling R45). */
#ifndef SS_RULES_HDAUDIO_DEF_H
#define SS_RULES_HDAUDIO_DEF_H

#define SS_RULE_HDAUDIO_MAP(X)                                                                                              \
    X(ENGINE_LEAK, "Every DMA engine is freed before the last interface reference goes.",                                  \
      "Call FreeDmaEngine for each handle before InterfaceDereference.", "ruling R40")                                      \
    X(BUFFER_LEAK, "Every DMA buffer is freed before the last interface reference goes.",                                   \
      "Reset the stream and call the matching Free…Buffer before InterfaceDereference.", "ruling R40")                      \
    X(REGISTRATION_LEAK, "Every event and callback registration is withdrawn before its engine or interface goes.",         \
      "Call the matching Unregister routine first.", "ruling R40")

#endif
