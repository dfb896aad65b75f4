"""Training: images, augmentation, targets, losses, distillation and the loop."""
