"""LEA-Net: the external network (CAAN), the classifier (ADN), and the attention between them."""
