/* nt/rules_hdaudio.def.h: findings of the HD Audio bus interface (ruling R45). X(NAME, rule, fix, source). Data only.
 *
 * H1 … H8 are violations (announced at verifier, raised at strict), H9 … H13 notes (recorded, never raised). A call at
 * the wrong level is BAD_IRQL, as everywhere. */
#ifndef SS_RULES_HDAUDIO_DEF_H
#define SS_RULES_HDAUDIO_DEF_H

#define SS_RULE_HDAUDIO_MAP(X)                                                                                         \
    /* H1 */                                                                                                           \
    X(ENGINE_LEAK, "Every DMA engine is freed before the last interface reference goes.",                              \
      "Call FreeDmaEngine for each handle before InterfaceDereference.", "ruling R40")                                 \
    /* H2 */                                                                                                           \
    X(BUFFER_LEAK, "Every DMA buffer is freed before the last interface reference goes.",                              \
      "Reset the stream and call the matching Free…Buffer before InterfaceDereference.", "ruling R40")                 \
    /* H3 */                                                                                                           \
    X(REGISTRATION_LEAK, "Every event and callback registration is withdrawn before its engine or interface goes.",    \
      "Call the matching Unregister routine first.", "ruling R40")                                                     \
    /* H4 */                                                                                                           \
    X(ENGINE_NOT_RESET, "A DMA engine is freed in the Reset state only; a paused one is not enough.",                  \
      "Call SetDmaEngineState(ResetState), free the buffer, then free the engine.",                                    \
      "nc-hdaudio-pfree_dma_engine.md, ruling R41")                                                                    \
    /* H5 */                                                                                                           \
    X(DEAD_CONTEXT, "A Context is used only while its client holds a reference to the interface.",                     \
      "Keep one reference until the last call has returned, or query the interface again.", "ruling R44")              \
    /* H6 */                                                                                                           \
    X(BDL_CHANGED, "The buffer descriptor list stays as it is while the stream is paused or running.",                 \
      "Stop and reset the stream before rewriting the list.",                                                          \
      "nc-hdaudio-psetup_dma_engine_with_bdl.md, spec hdaudio-dma §7")                                                 \
    /* H7 */                                                                                                           \
    X(REGISTER_WRITTEN, "The position and wall clock registers are read only.",                                        \
      "Only read through the pointer.", "spec hdaudio-dma §5.8")                                                       \
    /* H8 */                                                                                                           \
    X(INTERFACE_LEAK, "Every interface reference is given back before the controller is removed.",                     \
      "Call InterfaceDereference once for each successful query and each InterfaceReference.", "spec hdaudio-dma §1")  \
    /* H9 */                                                                                                           \
    X(FIFO_ERROR_LOGGED, "A stream's FIFO ran empty (render) or full (capture); the samples of that frame were lost.", \
      "Nothing a client of an MDL buffer can do; a client of SetupDmaEngineWithBdl sees bit 3 in its ISR.",            \
      "spec hdaudio-dma §8")                                                                                           \
    /* H10 */                                                                                                          \
    X(DESCRIPTOR_ERROR_LOGGED, "The controller could not use a buffer descriptor and stopped the stream.",             \
      "Check the addresses and lengths of the list; the stream may be run again after a reset.",                       \
      "spec hdaudio-dma §4.2 note 11")                                                                                 \
    /* H11 */                                                                                                          \
    X(HARDWARE_TIMEOUT, "The controller did not finish a handshake in time; the engine is suspect until it is reset.", \
      "Call SetDmaEngineState(ResetState) for the engine before using it again.", "spec hdaudio-dma §5.0")             \
    /* H12 */                                                                                                          \
    X(UNSOLICITED_DROPPED, "An unsolicited response carried a tag that no one has registered on its codec.",           \
      "Program the tag that RegisterEventCallback gave into the codec, and disable it before unregistering.",          \
      "spec hdaudio-dma §5.10")                                                                                        \
    /* H13 */                                                                                                          \
    X(CODEC_LOST, "A codec command was not answered in time and counts as lost.",                                      \
      "Look at IsValid of each response.", "spec hdaudio-dma §5.9")

#endif
